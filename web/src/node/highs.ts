// An optional package that a page does not have: its bounds are those of the heuristics.
export default null;
