// A canvas of its own over a map for what moves: the map below is drawn only when it changes itself.
import type { CustomLayerInterface, CustomRenderMethodInput, Map as MapLibre } from 'maplibre-gl'

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

const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i
const ATTRIBUTES: WebGLContextAttributes = { antialias: false, depth: false, stencil: false, premultipliedAlpha: true }

export interface Brush {
  gl: WebGL2RenderingContext
  program: WebGLProgram
  /** From the unit square of Web Mercator to the canvas. */
  matrix: ArrayLike<number>
  centre: { lng: number; lat: number }
  /** Pixels of the canvas in one of the page. */
  ratio: number
}

/** What is drawn on the canvas. */
export interface Painted {
  /** The canvas has a new context: whatever was kept in the one before is gone. */
  begin(gl: WebGL2RenderingContext, program: WebGLProgram): void
  /** Draw; return whether it goes on moving without being told anything new. */
  draw(brush: Brush, now: number): boolean
  end(gl: WebGL2RenderingContext): void
}

/** The map tells by a layer of its own, in which it draws nothing, how places come to the screen. */
export class MovingCanvas implements CustomLayerInterface {
  readonly id = 'moving'
  readonly type = 'custom'
  readonly renderingMode = '2d'
  /** Gliding is wanted and can be had: drawn by the processor, each frame would take all of it. */
  readonly isSmooth: boolean
  readonly #map: MapLibre
  readonly #canvas = document.createElement('canvas')
  readonly #gl: WebGL2RenderingContext
  #program: WebGLProgram
  readonly #painted = new Set<Painted>()
  #matrix: ArrayLike<number> = new Float64Array(16)
  #isMoved = false
  #frame = 0

  constructor(map: MapLibre) {
    const gl = this.#canvas.getContext('webgl2', ATTRIBUTES)
    if (!gl) throw new Error('there is no WebGL 2')
    this.#map = map
    this.#gl = gl
    this.#program = programOf(gl)
    this.isSmooth = !matchMedia('(prefers-reduced-motion: reduce)').matches && !isSoftware(gl)
    Object.assign(this.#canvas.style, { position: 'absolute', inset: '0', width: '100%', height: '100%', pointerEvents: 'none' })
    this.#canvas.addEventListener('webglcontextlost', (event) => event.preventDefault())
    this.#canvas.addEventListener('webglcontextrestored', () => this.#begin())
    map.getCanvas().after(this.#canvas)
    map.addLayer(this)
    map.on('render', this.#follow)
  }

  add(one: Painted): void {
    this.#painted.add(one)
    one.begin(this.#gl, this.#program)
    this.redraw()
  }

  remove(one: Painted): void {
    this.#painted.delete(one)
    one.end(this.#gl)
    this.redraw()
  }

  /** Draw in the next frame; what else changes until then is drawn with it. */
  redraw(): void {
    this.#frame ||= requestAnimationFrame(this.#draw)
  }

  render(_gl: WebGL2RenderingContext, options: CustomRenderMethodInput): void {
    const matrix = options.defaultProjectionData.mainMatrix
    this.#isMoved ||= Array.prototype.some.call(matrix, (number, place) => number !== this.#matrix[place])
    this.#matrix = Float64Array.from(matrix)
  }

  onRemove(): void {
    cancelAnimationFrame(this.#frame)
    this.#map.off('render', this.#follow)
    this.#gl.getExtension('WEBGL_lose_context')?.loseContext()
    this.#canvas.remove()
  }

  /** Go along with the map in the same frame in which it moves. */
  #follow = (): void => {
    const { width, height } = this.#map.getCanvas()
    const isSized = this.#canvas.width === width && this.#canvas.height === height
    if (!isSized) Object.assign(this.#canvas, { width, height })
    if (this.#isMoved || !isSized) this.#draw()
    this.#isMoved = false
  }

  #draw = (): void => {
    cancelAnimationFrame(this.#frame)
    this.#frame = 0
    const gl = this.#gl
    if (gl.isContextLost()) return
    gl.viewport(0, 0, this.#canvas.width, this.#canvas.height)
    gl.clear(gl.COLOR_BUFFER_BIT)
    const brush: Brush = {
      gl, program: this.#program, matrix: this.#matrix, centre: this.#map.getCenter(), ratio: this.#map.getPixelRatio(),
    }
    const now = performance.now()
    let goesOn = false
    for (const one of this.#painted) goesOn = one.draw(brush, now) || goesOn
    if (goesOn) this.redraw()
  }

  #begin(): void {
    this.#program = programOf(this.#gl)
    for (const one of this.#painted) one.begin(this.#gl, this.#program)
    this.redraw()
  }
}

function isSoftware(gl: WebGL2RenderingContext): boolean {
  const info = gl.getExtension('WEBGL_debug_renderer_info')
  return SOFTWARE.test(String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER)))
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
  gl.enable(gl.BLEND)
  gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA)
  return program
}
