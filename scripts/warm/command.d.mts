export declare class WarmCommand {
  run(
    words: readonly string[],
    options: { readonly cwd: string; readonly env: Readonly<Record<string, string | undefined>>; readonly input?: string },
  ): { code: number; out: string; err: string };
}
