// The pictures of a host's nodes. They are looked at together: a component's effect for each of 64
// nodes costs more than the few that change with a choice.
import { drawNode, type PictureKeys, pictureKeys, type VmMarks } from './draw-node.js';
import type { HostView } from './view.js';

interface Place {
  readonly button: HTMLButtonElement;
  readonly canvas: HTMLCanvasElement;
  width: number;
  height: number;
  /** null = what the canvas shows is of no use. */
  drawn: PictureKeys | null;
}

export class MapPictures {
  readonly #places = new Map<number, Place>();
  #view: HostView | null = null;
  #marks: VmMarks | null = null;
  #theme = 0;
  #chosen: number | null = null;

  /** @returns ends it */
  add(node: number, button: HTMLButtonElement, canvas: HTMLCanvasElement): () => void {
    const place = { button, canvas, width: 0, height: 0, drawn: null };
    this.#places.set(node, place);
    this.#press(node, node === this.#chosen);
    return () => {
      if (this.#places.get(node) === place) this.#places.delete(node);
    };
  }

  resize(node: number, width: number, height: number): void {
    const place = this.#places.get(node);
    if (place === undefined) return;
    place.width = width;
    place.height = height;
    this.#draw(node, place);
  }

  /** @param theme another one means other colours */
  show(view: HostView, marks: VmMarks | null, theme: number): void {
    if (view !== this.#view || theme !== this.#theme) for (const place of this.#places.values()) place.drawn = null;
    this.#view = view;
    this.#marks = marks;
    this.#theme = theme;
    for (const [node, place] of this.#places) this.#draw(node, place);
  }

  choose(node: number | null): void {
    if (this.#chosen !== null) this.#press(this.#chosen, false);
    this.#chosen = node;
    if (node !== null) this.#press(node, true);
  }

  #press(node: number, isChosen: boolean): void {
    this.#places.get(node)?.button.setAttribute('aria-pressed', String(isChosen));
  }

  #draw(node: number, place: Place): void {
    const view = this.#view;
    const { canvas, width, height, drawn } = place;
    // Between two views, a node may be of the one before.
    if (view === null || width <= 0 || view.map.nodes[node] === undefined) return;
    const picture = { view, node, marks: this.#marks, width, height };
    const keys = pictureKeys(picture);
    if (drawn !== null && drawn.size === keys.size && drawn.bar === keys.bar && drawn.cpus === keys.cpus) return;
    drawNode(canvas, picture, keys, drawn);
    place.drawn = keys;
  }
}
