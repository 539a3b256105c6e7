declare module 'unbzip2-stream' {
  /** A stream that unpacks bzip2. */
  export default function unbzip2(): NodeJS.ReadWriteStream & AsyncIterable<Buffer>;
}
