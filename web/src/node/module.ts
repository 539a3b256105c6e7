// For a browser, in place of node:module: the one package that the code loads this way is
// string-width. Close enough to it for pictures, without Unicode's tables.
const graphemes = new Intl.Segmenter();
const WIDE = /\p{Extended_Pictographic}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u;
const NONE = /^[\p{Mark}\p{Control}\p{Format}]/u;

function stringWidth(text: string): number {
  let columns = 0;
  for (const { segment } of graphemes.segment(text)) if (!NONE.test(segment)) columns += WIDE.test(segment) ? 2 : 1;
  return columns;
}

export const createRequire = () => (): { default: typeof stringWidth } => ({ default: stringWidth });
