// What takes longest of HVM guests on a real Xen: beside xl, and kill -9 at each step. Run by
// node:test in dom0 of machine shape a (npm run test:xen -- hvm-more).
import './beside-xl.js';
import './killed.js';
