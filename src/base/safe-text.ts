// Foreign text (names of VMs, messages of a host) in a form that is safe to show.

/**
 * A name as it may be shown: control characters, line ends, bidirectional marks and lone surrogates
 * become '?', so that a VM's name can neither move a terminal's cursor nor break XML.
 */
export function harmless(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}\uFFFE\uFFFF]/gu, '?');
}

/**
 * A line of JSON in which the same characters are escapes: its reader gets the text as it is, and a
 * terminal that shows the line stays as it is.
 */
export function harmlessJson(json: string): string {
  return json.replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** For the content of XML elements and the values of attributes alike, made harmless as well. */
export function escapeXml(text: string): string {
  return harmless(text).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/**
 * Whether a name holds what `harmless` would not show: readers refuse it, or do not take it over.
 */
export function hasControls(name: string): boolean {
  return harmless(name) !== name;
}
