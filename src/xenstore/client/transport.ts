// How a client's messages travel: a unix socket, the kernel's device, or this process.

export interface TransportEvents {
  /** A whole message; `payload` is valid during the call only. */
  message(type: number, requestId: number, payload: Buffer): void;
  /** Nothing more will come; `error` when it was not asked for. */
  closed(error: Error | undefined): void;
}

export interface Transport {
  /** Must be called once, before `send`. */
  start(events: TransportEvents): void;
  /** A whole message, header and payload. */
  send(message: Buffer): void;
  close(): void;
}

/** Makes a transport that is ready to send. @throws Error when there is nobody to talk to */
export type Connect = () => Promise<Transport>;
