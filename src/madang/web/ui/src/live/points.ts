// A layer of MapLibre that draws many moving points with one call, gliding from update to update.
import type { CustomLayerInterface, CustomRenderMethodInput, Map as MapLibre } from 'maplibre-gl'

import type { Frame } from './held.ts'
import { COLOUR, COLUMNS, mercator, Motion, type ColourOf } from './motion.ts'

export type { ColourOf } from './motion.ts'

export interface PointsOptions {
  /** Colour of a point by its number (NaN without one) and word; each part from 0 to 255. */
  colourOf: ColourOf
  /** [CSS px] */
  radius?: number
  /** Glide; undefined: where the viewer has nothing against movement and a graphics card draws it. */
  isSmooth?: boolean
}

const VERTEX = `#version 300 es
uniform mat4 matrix;
uniform float now;
uniform float size;
in vec4 course;
in vec2 time;
in vec4 colour;
out vec4 fill;
void main() {
  float share = time.y > 0.0 ? clamp((now - time.x) / time.y, 0.0, 1.0) : 1.0;
  gl_Position = matrix * vec4(mix(course.xy, course.zw, share), 0.0, 1.0);
  gl_PointSize = size;
  fill = colour;
}`

const FRAGMENT = `#version 300 es
precision highp float;
uniform float size;
uniform vec4 rim;
in vec4 fill;
out vec4 shown;
void main() {
  float distance = length(gl_PointCoord - 0.5) * size;
  float edge = size * 0.5;
  float inside = clamp(edge - distance, 0.0, 1.0);
  float core = clamp(edge - 1.5 - distance, 0.0, 1.0);
  shown = mix(rim, fill, core) * inside;
}`

const STRIDE = COLUMNS * 4
const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i

interface Drawing {
  program: WebGLProgram
  buffer: WebGLBuffer
  array: WebGLVertexArrayObject
  /** Bytes that the buffer has room for. */
  room: number
}

export class MovingPoints implements CustomLayerInterface {
  readonly id: string
  readonly type = 'custom'
  readonly renderingMode = '2d'
  #motion: Motion
  #map: MapLibre | undefined
  #drawing: Drawing | undefined
  #radius: number
  #rim: [number, number, number] = [255, 255, 255]
  #isSmooth: boolean | undefined

  constructor(id: string, options: PointsOptions) {
    this.id = id
    this.#isSmooth = options.isSmooth
    this.#radius = options.radius ?? 5
    this.#motion = new Motion(options.colourOf, options.isSmooth ?? false)
  }

  get size(): number {
    return this.#motion.size
  }

  /** Take what the stream tells of the layer. */
  take(frame: Frame): void {
    this.#motion.take(frame, performance.now())
    this.#map?.triggerRepaint()
  }

  /** Colour by something else, or for other surroundings; `rim` is the edge of each point. */
  recolour(colourOf: ColourOf, rim?: [red: number, green: number, blue: number]): void {
    if (rim) this.#rim = rim
    this.#motion.recolour(colourOf)
    this.#map?.triggerRepaint()
  }

  /** The id of the point at a place of the map's canvas, such as that of a click. [CSS px] */
  pick(at: { x: number; y: number }): string | undefined {
    const map = this.#map
    if (!map) return undefined
    const [x, y] = unit(map, [at.x, at.y])
    const [nextX, nextY] = unit(map, [at.x + this.#radius + 4, at.y])
    return this.#motion.nearest(x, y, Math.hypot(nextX - x, nextY - y), performance.now())
  }

  /** Where a point is drawn at present. [deg] */
  where(id: string): [lon: number, lat: number] | undefined {
    const found = this.#motion.where(id, performance.now())
    if (!found) return undefined
    const [x, y] = found
    return [x * 360 - 180, (Math.atan(Math.sinh(Math.PI * (1 - 2 * y))) * 180) / Math.PI]
  }

  onAdd(map: MapLibre, gl: WebGL2RenderingContext): void {
    this.#map = map
    this.#motion.isSmooth = this.#isSmooth ?? isSmooth(gl)
    this.#begin(gl)
    map.on('webglcontextrestored', this.#restore)
  }

  onRemove(map: MapLibre, gl: WebGL2RenderingContext): void {
    map.off('webglcontextrestored', this.#restore)
    const drawing = this.#drawing
    if (drawing) {
      gl.deleteProgram(drawing.program)
      gl.deleteBuffer(drawing.buffer)
      gl.deleteVertexArray(drawing.array)
    }
    this.#drawing = this.#map = undefined
  }

  render(gl: WebGL2RenderingContext, options: CustomRenderMethodInput): void {
    const { map, drawing, motion } = { map: this.#map, drawing: this.#drawing, motion: this.#motion }
    if (!map || !drawing || motion.size === 0) return
    const now = performance.now()
    const centre = map.getCenter()
    motion.near(...mercator(centre.lng, centre.lat))
    gl.bindVertexArray(drawing.array)
    this.#upload(gl, drawing)
    gl.useProgram(drawing.program)
    gl.uniformMatrix4fv(gl.getUniformLocation(drawing.program, 'matrix'), false, moved(options.defaultProjectionData.mainMatrix, motion.anchor))
    gl.uniform1f(gl.getUniformLocation(drawing.program, 'now'), now - motion.origin)
    gl.uniform1f(gl.getUniformLocation(drawing.program, 'size'), 2 * this.#radius * devicePixelRatio)
    gl.uniform4f(gl.getUniformLocation(drawing.program, 'rim'), this.#rim[0] / 255, this.#rim[1] / 255, this.#rim[2] / 255, 1)
    gl.drawArrays(gl.POINTS, 0, motion.size)
    gl.bindVertexArray(null)
    if (now < motion.until) map.triggerRepaint()
  }

  #restore = (): void => {
    const gl = this.#map?.getCanvas().getContext('webgl2')
    if (gl) this.#begin(gl)
  }

  #begin(gl: WebGL2RenderingContext): void {
    const program = programOf(gl)
    const buffer = gl.createBuffer()
    const array = gl.createVertexArray()
    gl.bindVertexArray(array)
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer)
    attribute(gl, program, 'course', 4, gl.FLOAT, 0)
    attribute(gl, program, 'time', 2, gl.FLOAT, 16)
    attribute(gl, program, 'colour', 4, gl.UNSIGNED_BYTE, COLOUR * 4)
    gl.bindVertexArray(null)
    this.#drawing = { program, buffer, array, room: 0 }
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

/** Tell whether gliding is wanted and can be had: drawn by the processor, each frame takes all of it. */
function isSmooth(gl: WebGL2RenderingContext): boolean {
  if (matchMedia('(prefers-reduced-motion: reduce)').matches) return false
  const info = gl.getExtension('WEBGL_debug_renderer_info')
  return !SOFTWARE.test(String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER)))
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

function programOf(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram()
  for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
    const shader = gl.createShader(type)
    if (!shader) throw new Error('the graphics context is lost')
    gl.shaderSource(shader, source)
    gl.compileShader(shader)
    gl.attachShader(program, shader)
    gl.deleteShader(shader)
  }
  gl.linkProgram(program)
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(gl.getProgramInfoLog(program) ?? 'the points cannot be drawn')
  }
  return program
}
