// `npm run -s conformance -- KIND < CASES`: replays recorded cases of the real systems.
import { once } from 'node:events';
import { Argument, Command, CommanderError, Option } from 'commander';
import { KINDS, type KindOptions } from './kinds.js';
import { EXIT, runConformance } from './run.js';

const kindList = Object.entries(KINDS)
  .map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`)
  .join('\n');
const personalities = [...new Set(Object.values(KINDS).flatMap((kind) => kind.personalities ?? []))];

const program = new Command('conformance')
  .description('Plays cases recorded on the real systems (JSON lines on standard input, plain or gzip) and prints them with our answers.')
  .addArgument(new Argument('<kind>', 'kind of the cases').choices(Object.keys(KINDS)))
  .option('--check', 'compare with the recorded answers instead: one line for each difference, then "N passed, M failed"')
  .addOption(new Option('--on <host>', 'host of the cases').choices([...new Set(Object.values(KINDS).flatMap(({ on }) => on))]))
  .addOption(new Option('--personality <daemon>', 'for xenstore: the daemon to act as').choices(personalities))
  .addHelpText(
    'after',
    `\nKinds:\n${kindList}\n\nExit code: 0 all agree, 1 some differ or failed, 2 bad input or usage. Formats: conformance/README.md`,
  )
  .showHelpAfterError('(--help tells more)')
  .exitOverride()
  .action(async (name: string, flags: { check?: boolean; on?: string; personality?: string }) => {
    const kind = KINDS[name]!;
    const fail = (message: string) => program.error(`error: ${message}`, { exitCode: EXIT.badInput });
    const on = flags.on ?? kind.on[0];
    if (!kind.on.includes(on)) fail(`${name} cannot be played on '${on}'; it can on ${kind.on.join(', ')}`);
    if (kind.personalities === undefined && flags.personality !== undefined) fail(`${name} has no personalities: leave --personality out`);
    if (kind.personalities !== undefined && flags.personality === undefined) {
      fail(`${name} needs --personality ${kind.personalities.join('|')}`);
    }
    const options: KindOptions = { on, personality: flags.personality };
    process.exitCode = await runConformance(
      await kind.create(options),
      process.stdin,
      { check: flags.check === true },
      {
        out: async (text) => {
          if (!process.stdout.write(text)) await once(process.stdout, 'drain');
        },
        err: (text) => process.stderr.write(`${text}\n`),
      },
    );
  });

// The reader of our output may stop reading (`| head`). That is no failure of the run.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.ok);
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : EXIT.badInput;
}
