// For a browser, in place of node:path/posix: of XenStore's absolute paths, which end in no slash.
export function dirname(path: string): string {
  const at = path.lastIndexOf('/');
  return at <= 0 ? path.slice(0, 1) || '.' : path.slice(0, at);
}
