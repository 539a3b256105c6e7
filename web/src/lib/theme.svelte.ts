// The colours of the page's style for pictures that are drawn: read once for each theme.

let version = $state(0);
let values = new Map<string, string>();
let watched = false;

function changed(): void {
  values = new Map();
  version++;
}

/** Changes with the theme: who reads it in an effect draws anew. */
export function themeVersion(): number {
  if (!watched) {
    watched = true;
    new MutationObserver(changed).observe(document.documentElement, { attributes: true, attributeFilter: ['data-theme'] });
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', changed);
  }
  return version;
}

/** @returns the value of a colour by its name, without the dashes */
export function colours(): (name: string) => string {
  const found = values;
  return (name) => {
    let value = found.get(name);
    if (value === undefined) {
      value = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);
      found.set(name, value);
    }
    return value;
  };
}
