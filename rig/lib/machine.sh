# The machine that QEMU emulates: from a shape of shapes.txt to QEMU's arguments. Sourced.

# machine_args SHAPE: sets QEMU_MACHINE (array) and SCHEDULER.
machine_args() {
  local line name nodes distances
  line=$(grep -E "^$1 *\|" "$RIG_DIR/shapes.txt") || fail "there is no shape '$1' in $RIG_DIR/shapes.txt: $(sed -n 's/^\([a-z0-9]*\) *|.*/\1/p' "$RIG_DIR/shapes.txt" | tr '\n' ' ')"
  IFS='|' read -r name nodes distances SCHEDULER <<< "$line"
  SCHEDULER=${SCHEDULER// /}
  nodes=${RIG_NODES:-$nodes}
  distances=${RIG_DISTANCES:-$distances}

  local node=0 cpus=0 mib=0 word arg
  QEMU_MACHINE=()
  for word in $nodes; do
    arg=node,nodeid=$node
    [ "${word#*:}" -eq 0 ] || arg=$arg,cpus=$cpus-$((cpus + ${word#*:} - 1))
    if [ "${word%:*}" -gt 0 ]; then
      QEMU_MACHINE+=(-object "memory-backend-ram,id=mem$node,size=${word%:*}M")
      arg=$arg,memdev=mem$node
    fi
    QEMU_MACHINE+=(-numa "$arg")
    node=$((node + 1)) cpus=$((cpus + ${word#*:})) mib=$((mib + ${word%:*}))
  done

  local from=0 to row value rows
  IFS=';' read -ra rows <<< "$distances"
  [ ${#rows[@]} -eq $node ] || fail "shape $1 has $node nodes but ${#rows[@]} rows of distances"
  for row in "${rows[@]}"; do
    to=0
    for value in $row; do
      QEMU_MACHINE+=(-numa "dist,src=$from,dst=$to,val=$value")
      to=$((to + 1))
    done
    from=$((from + 1))
  done

  # Sockets must not cross nodes, or Linux and Xen complain of the topology.
  local smp="$cpus,sockets=$cpus,cores=1"
  [ $((cpus % node)) -ne 0 ] || smp="$cpus,sockets=$node,cores=$((cpus / node))"
  QEMU_MACHINE+=(-smp "$smp" -m "${mib}M")
}
