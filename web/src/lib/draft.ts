// Settings that are changed on the page and not saved yet; the address holds them.

/**
 * By the field's name in xe: its text, or of a map and a set what becomes of a key or member;
 * null = it is removed.
 */
export type Draft = Readonly<Record<string, string | Readonly<Record<string, string | null>>>>;

const LONGEST = 100_000;

export function formatDraft(draft: Draft): string {
  const left = Object.entries(draft).filter(([, value]) => typeof value === 'string' || Object.keys(value).length > 0);
  return left.length === 0 ? '' : JSON.stringify(Object.fromEntries(left));
}

/** What is no draft is left out: an address may come from anywhere. */
export function parseDraft(text: string): Draft {
  let given: unknown;
  try {
    given = text.length > LONGEST ? null : JSON.parse(text);
  } catch {
    given = null;
  }
  return Object.fromEntries(
    entriesOf(given).flatMap(([name, value]): [string, Draft[string]][] => {
      if (typeof value === 'string') return [[name, value]];
      const parts = entriesOf(value).filter((part): part is [string, string | null] => part[1] === null || typeof part[1] === 'string');
      return parts.length === 0 ? [] : [[name, Object.fromEntries(parts)]];
    }),
  );
}

function entriesOf(value: unknown): [string, unknown][] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.entries(value) : [];
}

/** The draft with a field's text; as it is now = no draft. */
export function withText(draft: Draft, name: string, text: string, now: string): Draft {
  const { [name]: _, ...others } = draft;
  return text === now ? others : { ...others, [name]: text };
}

/** The draft with a key of a map or a member of a set; undefined = as it is now. */
export function withPart(draft: Draft, name: string, part: string, value: string | null | undefined): Draft {
  const { [name]: given, ...others } = draft;
  const { [part]: _, ...parts } = typeof given === 'object' ? given : {};
  const next = value === undefined ? parts : { ...parts, [part]: value };
  return Object.keys(next).length === 0 ? others : { ...others, [name]: next };
}
