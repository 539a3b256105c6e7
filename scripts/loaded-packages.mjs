// Packages that no bundle has inside: native code, and what few runs need. They are loaded from
// node_modules when they are needed, so `npm run dist` ships them beside the program.
export const LOADED_PACKAGES = [
  'koffi',
  'better-sqlite3',
  'highs',
  'pino',
  'prom-client',
  '@peculiar/x509',
  'reflect-metadata',
  'string-width',
];
