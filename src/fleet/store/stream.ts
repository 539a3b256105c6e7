// The stream that is the fleet's log, and the settings that the protocol depends on. A stream of
// that name that somebody made otherwise may forget claims: it is refused.
import { DiscardPolicy, jetstreamManager, RetentionPolicy, StorageType, type StreamConfig, type StreamInfo } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { UnreachableError } from '../../base/errors.js';
import { STREAM_SUBJECTS } from '../protocol/subjects.js';
import { OPEN_MS, tryFor } from './retry.js';

export const STREAM = 'FLEET';
export const TIMEOUT_MS = 5000;
const SHORTEST_WINDOW_NS = 100e6;
/** Of a log that is gone, by a process that will try again. */
export const MAKE_AGAIN_MS = 2000;
/** After the start of a cluster, streams with replicas are refused for a while. */
const CREATE_PAUSE_MS = 500;

/** A stream that was made anew counts its entries from 1 again. */
export interface StreamState {
  readonly created: string;
  /** Place of its last entry. */
  readonly last: number;
}

export const stateOf = ({ created, state }: StreamInfo): StreamState => ({ created, last: state.last_seq });

/**
 * Makes the stream where it does not exist. @returns whether it was made
 * @throws UnreachableError when the servers have no leader for that long, and for a stream with
 * other settings
 */
export function ensureStream(connection: NatsConnection, replicas: number, withinMs = OPEN_MS): Promise<boolean> {
  return tryFor(withinMs, CREATE_PAUSE_MS, async (leftMs) => {
    const manager = await jetstreamManager(connection, { timeout: Math.min(TIMEOUT_MS, leftMs), checkAPI: false });
    const info = await infoOf(manager);
    if (info !== null) {
      checkSettings(info.config);
      return false;
    }
    await manager.streams.add({
      name: STREAM,
      subjects: [STREAM_SUBJECTS],
      storage: StorageType.File,
      retention: RetentionPolicy.Limits,
      max_msgs_per_subject: 1,
      num_replicas: replicas,
      allow_direct: true,
      // As little as there is. Nothing of ours has message ids, and a replica that was restarted
      // judges them differently from the others: a member could make the logs differ with them.
      duplicate_window: SHORTEST_WINDOW_NS,
    });
    return true;
  });
}

async function infoOf(manager: Awaited<ReturnType<typeof jetstreamManager>>): Promise<StreamInfo | null> {
  try {
    return await manager.streams.info(STREAM);
  } catch (error) {
    if (isStreamMissing(error)) return null;
    throw error;
  }
}

export const isStreamMissing = (error: unknown): boolean => error instanceof Error && /stream not found/.test(error.message);

const isSet = (limit: number | undefined): boolean => limit !== undefined && limit > 0;

/**
 * With limits, an old stream forgets its oldest entries: claims that hold memory, and the maps of
 * quiet hosts. One that refuses new entries instead forgets nothing.
 * @returns what the protocol cannot live with
 */
function wrongSettings(config: StreamConfig): string[] {
  const { subjects = [], max_msgs, max_bytes, max_age, max_msgs_per_subject, retention, discard, sealed, allow_direct } = config;
  const limits = { max_msgs, max_bytes };
  const forgets = discard !== DiscardPolicy.New;
  return [
    ...(subjects.join() === STREAM_SUBJECTS ? [] : [`subjects ${subjects.join(', ')} (${STREAM_SUBJECTS})`]),
    ...(retention === RetentionPolicy.Limits ? [] : [`retention ${retention} (limits)`]),
    ...(max_msgs_per_subject === 1 ? [] : [`max_msgs_per_subject ${max_msgs_per_subject} (1)`]),
    ...(isSet(max_age) ? [`max_age ${max_age} ns (none)`] : []),
    ...Object.entries(limits).flatMap(([name, limit]) => (forgets && isSet(limit) ? [`${name} ${limit} with discard old (none)`] : [])),
    ...(config.discard_new_per_subject ? ['discard_new_per_subject (off)'] : []),
    ...(allow_direct ? [] : ['allow_direct off (on)']),
    ...(sealed ? ['sealed (open)'] : []),
    ...(config.mirror !== undefined ? ['a mirror'] : []),
    ...(config.no_ack ? ['no_ack (off)'] : []),
  ];
}

function checkSettings(config: StreamConfig): void {
  const wrong = wrongSettings(config);
  if (wrong.length === 0) return;
  throw new UnreachableError(
    `the stream ${STREAM} of the servers has settings with which claims can be lost: ${wrong.join('; ')}`,
    `change them to what is in brackets (nats stream edit ${STREAM}), or delete the stream: xennuma makes it anew`,
  );
}
