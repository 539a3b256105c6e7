// For a browser, in place of node:timers/promises.
const delay = (ms?: number): Promise<void> => new Promise((done) => globalThis.setTimeout(done, ms));

export { delay as setTimeout };
