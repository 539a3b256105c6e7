// The tests of real guests, one after the other in dom0 of a real Xen (npm run test:guests):
// bundled into one file and run by node:test, as an emulated dom0 has no time for a larger runner.
// Machine shape a, with nothing else running.
import './up.js';
import './placed.js';
import './chart.js';
import './command.js';
import './beside-xl.js';
import './scenario.js';
import './ended.js';
import './killed.js';
