// Widths of text in pixels, for pictures. An SVG cannot measure its text, so it is measured here.
// The advances are those of DejaVu Sans, the widest of the fonts that the pictures name.
import { textColumns } from '../../base/columns.js';

export type Weight = 'normal' | 'bold';

/** Advances of the characters ' ' to '~', in thousandths of the font's size. */
const ADVANCES: Readonly<Record<Weight, readonly number[]>> = {
  normal: [
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636, 636, 636, 636, 636, 337,
    337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603, 787, 695, 635, 611, 732,
    684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635,
    635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
  ],
  bold: [
    348, 456, 521, 838, 696, 1002, 872, 306, 457, 457, 523, 838, 380, 415, 380, 365, 696, 696, 696, 696, 696, 696, 696, 696, 696, 696, 400,
    400, 838, 838, 838, 580, 1000, 774, 762, 734, 830, 683, 683, 821, 837, 372, 372, 775, 637, 995, 837, 850, 733, 850, 770, 720, 682, 812,
    774, 1103, 771, 724, 725, 457, 365, 457, 838, 500, 500, 675, 716, 593, 716, 678, 435, 716, 712, 343, 343, 665, 343, 1042, 712, 687, 716,
    716, 493, 595, 478, 712, 652, 924, 645, 652, 582, 712, 365, 712, 838,
  ],
};
/**
 * A column of any other character: as wide as the multiplication sign, which is wider than most.
 */
const OTHER = 838;

/** Pixels of a text in a font of `size` pixels. */
export function textWidth(text: string, size: number, weight: Weight = 'normal'): number {
  const advances = ADVANCES[weight];
  let thousandths = 0;
  for (const character of text) thousandths += advances[character.codePointAt(0)! - 32] ?? OTHER * textColumns(character);
  return (thousandths * size) / 1000;
}

/** At most `pixels` wide; a text that is cut ends in '~'. */
export function fitWidth(text: string, pixels: number, size: number, weight: Weight = 'normal'): string {
  if (textWidth(text, size, weight) <= pixels) return text;
  const room = pixels - textWidth('~', size, weight);
  let out = '';
  let used = 0;
  for (const character of text) {
    used += textWidth(character, size, weight);
    if (used > room) break;
    out += character;
  }
  return `${out}~`;
}

/**
 * Lines of at most `pixels`, broken at blanks and after commas; a longer word is cut into pieces.
 * Never empty.
 */
export function wrapWidth(text: string, pixels: number, size: number, weight: Weight = 'normal'): string[] {
  const wide = (line: string) => textWidth(line.trimEnd(), size, weight) > pixels;
  const lines: string[] = [];
  let line = '';
  for (const piece of text.split(/(?<=[ ,])/)) {
    if (!wide(line + piece)) {
      line += piece;
      continue;
    }
    if (line !== '') lines.push(line.trimEnd());
    line = '';
    for (const character of piece) {
      if (line !== '' && wide(line + character)) {
        lines.push(line);
        line = '';
      }
      line += character;
    }
  }
  return line.trim() !== '' || lines.length === 0 ? [...lines, line.trimEnd()] : lines;
}
