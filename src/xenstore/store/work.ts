// How much the store did for its clients: a request of a few bytes may touch thousands of nodes. A
// unit is about a node that is looked up, or 64 bytes that are read or written.

export class Work {
  units = 0;
}
