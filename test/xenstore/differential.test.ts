// Random conversations with Debian's daemons and with ours: every reply and event must be the same.
// XENNUMA_DIFFERENTIAL sets how many, XENNUMA_SEED where they begin; a difference is shown at its
// shortest.
import { expect, test } from 'vitest';
import { createXenstorePlayer } from '../../src/conformance/xenstore.js';
import { MESSAGE } from '../../src/xenstore/protocol/wire.js';
import { asLine, type Conversation, conversationText, makeConversation, makeGuestConversation, ODD_PATHS, shrink } from './conversation.js';
import { type Daemon, REAL, startReal, WHY_NOT_REAL } from './daemons.js';
import { DaemonClosed, RawConnection, record } from './recorder.js';

const COUNT = Number(process.env.XENNUMA_DIFFERENTIAL ?? 400);
const FIRST_SEED = Number(process.env.XENNUMA_SEED ?? 1);
const DIFFERENCES_SHOWN = 5;

/** So small that conversations meet them. */
const SMALL_QUOTA = { nodes: 12, watches: 3, transactions: 1, nodeSizeBytes: 800, permissions: 3, transactionNodes: 6 };
const KINDS = [
  ['of domain 0', makeConversation, {}],
  ['with guests', makeGuestConversation, {}],
  ['with guests of small quotas', makeGuestConversation, SMALL_QUOTA],
] as const;

for (const [personality, [kind, make, quota]] of (['xenstored', 'oxenstored'] as const).flatMap((each) =>
  KINDS.map((of) => [each, of] as const),
)) {
  test.skipIf(!REAL)(
    `${personality}: ${COUNT} conversations ${kind} from seed ${FIRST_SEED} (${WHY_NOT_REAL})`,
    { timeout: 3_600_000 },
    async () => {
      const player = createXenstorePlayer(personality, quota);
      let daemon: Daemon | undefined;
      let died = 0;
      /**
       * undefined: the daemon did not live through it (the C daemon aborts on some malformed
       * requests).
       */
      const differences = async (conversation: Conversation): Promise<string[] | undefined> => {
        daemon ??= await prepared(await startReal(personality, quota));
        try {
          const line = await record(daemon.socket, conversation);
          await tidy(daemon.socket, conversation.id);
          return await player.check(line);
        } catch (error) {
          if (!(error instanceof DaemonClosed)) throw error;
          died++;
          await daemon.stop();
          daemon = undefined;
          return undefined;
        }
      };
      const found: string[] = [];
      for (let seed = FIRST_SEED; seed < FIRST_SEED + COUNT && found.length < DIFFERENCES_SHOWN; seed++) {
        const conversation = make(seed);
        if (((await differences(conversation)) ?? []).length === 0) continue;
        const shortest = await shrink(conversation, async (shorter) => ((await differences(shorter)) ?? []).length > 0);
        found.push(`seed ${seed}:\n${conversationText(shortest)}\n${((await differences(shortest)) ?? []).join('\n')}`);
      }
      await daemon?.stop();
      console.log(`${personality}: ${COUNT} conversations ${kind}, ${found.length} differ, the daemon died in ${died}`);
      expect(found.join('\n\n')).toBe('');
      expect(died).toBeLessThan(COUNT / 4);
    },
  );
}

test('the same seed makes the same conversation', () => {
  expect(asLine(makeConversation(7))).toEqual(asLine(makeConversation(7)));
});

async function prepared(daemon: Daemon): Promise<Daemon> {
  const connection = await RawConnection.open(daemon.socket);
  await connection.request(MESSAGE.mkdir, '/local/domain/0\0');
  connection.close();
  return daemon;
}

/** Takes away what a conversation left: its nodes, and the domains that it introduced. */
async function tidy(socket: string, id: number): Promise<void> {
  const connection = await RawConnection.open(socket);
  // "/local" of the odd paths is everyone's; the rest is theirs alone.
  for (const top of [`/f${id}`, '/local/domain/0', '/local/domain/77', '/local/domain/1', '/local/domain/2', ...ODD_PATHS])
    await connection.request(MESSAGE.rm, `${top}\0`);
  // oxenstored starts with them, and never makes them again.
  for (const event of ['@introduceDomain', '@releaseDomain'])
    for (const type of [MESSAGE.rm, MESSAGE.mkdir]) await connection.request(type, `${event}\0`);
  for (const event of ['@introduceDomain', '@releaseDomain']) await connection.request(MESSAGE.setPermissions, `${event}\0n0\0`);
  // What guests had a hand in above their own nodes, before their release takes it away.
  for (const node of ['/', '/tool', '/tool/xenstored', '/local', '/local/domain', '/local/domain/0']) {
    await connection.request(MESSAGE.setPermissions, `${node}\0n0\0`);
    await connection.request(MESSAGE.write, `${node}\0`);
  }
  for (const domid of [1, 2, 3, 4, 5, 6, 7, 8, 10, 32752, 4294967295, 1215752191]) await connection.request(MESSAGE.release, `${domid}\0`);
  for (const domid of ['-1', '99999999999', '4294967297']) await connection.request(MESSAGE.release, `${domid}\0`);
  connection.close();
}
