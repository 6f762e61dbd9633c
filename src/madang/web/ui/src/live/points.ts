// Many moving points that are drawn with one call, gliding from update to update.
import type { Map as MapLibre } from 'maplibre-gl'

import type { Brush, MovingCanvas, Painted } from './canvas'
import type { Frame } from './held.ts'
import { COLOUR, COLUMNS, mercator, Motion, type ColourOf } from './motion.ts'

const STRIDE = COLUMNS * 4

interface Drawing {
  buffer: WebGLBuffer
  array: WebGLVertexArrayObject
  /** Bytes that the buffer has room for. */
  room: number
}

export class MovingPoints implements Painted {
  readonly #map: MapLibre
  readonly #canvas: MovingCanvas
  readonly #motion: Motion
  #drawing: Drawing | undefined
  #radius: number
  #rim: readonly [number, number, number] = [255, 255, 255]

  /**
   * Put points on a canvas, none at first.
   *
   * @param colourOf is the colour of a point by its number (NaN without one) and word; each part from 0 to 255.
   * @param radius of a point. [CSS px]
   */
  constructor(map: MapLibre, canvas: MovingCanvas, colourOf: ColourOf, radius: number) {
    this.#map = map
    this.#canvas = canvas
    this.#radius = radius
    this.#motion = new Motion(colourOf, canvas.isSmooth)
    canvas.add(this)
  }

  /** Take what the stream tells of the layer. */
  take(frame: Frame): void {
    this.#motion.take(frame, performance.now())
    this.#canvas.redraw()
  }

  /** Colour by something else, or for other surroundings; `rim` is the edge of each point. */
  recolour(colourOf: ColourOf, rim: readonly [red: number, green: number, blue: number]): void {
    this.#rim = rim
    this.#motion.recolour(colourOf)
    this.#canvas.redraw()
  }

  /** The id of the point at a place of the map's canvas, such as that of a click. [CSS px] */
  pick(at: { x: number; y: number }): string | undefined {
    const [x, y] = unit(this.#map, [at.x, at.y])
    const [nextX, nextY] = unit(this.#map, [at.x + this.#radius + 4, at.y])
    return this.#motion.nearest(x, y, Math.hypot(nextX - x, nextY - y), performance.now())
  }

  /** Where a point is drawn at present. [deg] */
  where(id: string): [lon: number, lat: number] | undefined {
    const found = this.#motion.where(id, performance.now())
    if (!found) return undefined
    const [x, y] = found
    return [x * 360 - 180, (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI]
  }

  remove(): void {
    this.#canvas.remove(this)
  }

  begin(gl: WebGL2RenderingContext, program: WebGLProgram): void {
    const buffer = gl.createBuffer()
    const array = gl.createVertexArray()
    gl.bindVertexArray(array)
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer)
    attribute(gl, program, 'course', 4, gl.FLOAT, 0)
    attribute(gl, program, 'time', 2, gl.FLOAT, 16)
    attribute(gl, program, 'colour', 4, gl.UNSIGNED_BYTE, COLOUR * 4)
    gl.bindVertexArray(null)
    this.#drawing = { buffer, array, room: 0 }
  }

  draw({ gl, program, matrix, centre, ratio }: Brush, now: number): boolean {
    const { drawing, motion } = { drawing: this.#drawing, motion: this.#motion }
    if (!drawing || motion.size === 0) return false
    motion.near(...mercator(centre.lng, centre.lat))
    gl.bindVertexArray(drawing.array)
    this.#upload(gl, drawing)
    gl.useProgram(program)
    gl.uniformMatrix4fv(gl.getUniformLocation(program, 'matrix'), false, moved(matrix, motion.anchor))
    gl.uniform1f(gl.getUniformLocation(program, 'now'), now - motion.origin)
    gl.uniform1f(gl.getUniformLocation(program, 'size'), 2 * this.#radius * ratio)
    gl.uniform4f(gl.getUniformLocation(program, 'rim'), this.#rim[0] / 255, this.#rim[1] / 255, this.#rim[2] / 255, 1)
    gl.drawArrays(gl.POINTS, 0, motion.size)
    gl.bindVertexArray(null)
    return now < motion.until
  }

  end(gl: WebGL2RenderingContext): void {
    if (!this.#drawing) return
    gl.deleteBuffer(this.#drawing.buffer)
    gl.deleteVertexArray(this.#drawing.array)
    this.#drawing = undefined
  }

  #upload(gl: WebGL2RenderingContext, drawing: Drawing): void {
    const motion = this.#motion
    gl.bindBuffer(gl.ARRAY_BUFFER, drawing.buffer)
    const changed = motion.changed()
    if (drawing.room < motion.numbers.byteLength) {
      gl.bufferData(gl.ARRAY_BUFFER, motion.numbers, gl.DYNAMIC_DRAW)
      drawing.room = motion.numbers.byteLength
    } else if (changed) {
      const [first, last] = changed
      gl.bufferSubData(gl.ARRAY_BUFFER, first * STRIDE, motion.numbers, first * COLUMNS, (last - first + 1) * COLUMNS)
    }
  }
}

function unit(map: MapLibre, at: [number, number]): [number, number] {
  const { lng, lat } = map.unproject(at)
  return mercator(lng, lat)
}

/** A matrix for positions that are counted from an anchor; in double precision up to the last step. */
function moved(matrix: ArrayLike<number>, [x, y]: [number, number]): Float32Array {
  const found = Float64Array.from({ length: 16 }, (_, i) => matrix[i] ?? 0)
  for (let row = 0; row < 4; row++) {
    found[12 + row] = (found[row] ?? 0) * x + (found[4 + row] ?? 0) * y + (found[12 + row] ?? 0)
  }
  return new Float32Array(found)
}

function attribute(gl: WebGL2RenderingContext, program: WebGLProgram, name: string, size: number, type: number, offset: number): void {
  const place = gl.getAttribLocation(program, name)
  gl.enableVertexAttribArray(place)
  gl.vertexAttribPointer(place, size, type, type === gl.UNSIGNED_BYTE, STRIDE, offset)
}
