// One pasted text, as a capture reads it.
import { expect } from 'vitest';
import { InputError } from '../../src/base/errors.js';
import { readCapture } from '../../src/live/capture/captured-host.js';

/** The host of the text, or that it is refused as bad input; any other error fails the test. */
export function read(text: string): ReturnType<typeof readCapture>['live'] | 'refused' {
  try {
    return readCapture([{ file: 'paste.txt', text }]).live;
  } catch (error) {
    expect(error).toBeInstanceOf(InputError);
    return 'refused';
  }
}
