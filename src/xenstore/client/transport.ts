// The transports of a client's messages: a unix socket, the kernel's device, or this process.

export interface TransportEvents {
  /** A whole message; `payload` is valid during the call only. */
  message(type: number, requestId: number, payload: Buffer): void;
  /** No more data will come; `error` if the end was not requested. */
  closed(error: Error | undefined): void;
}

export interface Transport {
  /** Must be called once, before `send`. */
  start(events: TransportEvents): void;
  /** A whole message, header and payload. */
  send(message: Buffer): void;
  close(): void;
}

/** Makes a transport that is ready to send. @throws Error when no server answers */
export type Connect = () => Promise<Transport>;
