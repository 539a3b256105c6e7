// The tests of HVM guests, run by node:test in dom0 of machine shape a (npm run test:xen -- hvm).
import './life.js';
