// A text that stands in the page as base64 of DEFLATE; null = there is none.
export async function unpack(document: Document, id: string): Promise<string | null> {
  const packed = document.getElementById(id)?.textContent ?? '';
  if (packed === '') return null;
  const bytes = Uint8Array.from(atob(packed), (sign) => sign.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'))).text();
}
