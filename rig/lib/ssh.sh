# An SSH server in dom0, reached from this machine: `xen-rig start --ssh PORT`. The server is Debian's dropbear, unpacked and not
# installed, like Xen. Sourced.

SSH_PACKAGES="dropbear-bin libtomcrypt1 libtommath1"
SSH_ROOT=$RIG_HOME/ssh
# In the order that they are loaded in.
NETWORK_MODULES="net/core/failover drivers/net/net_failover drivers/net/virtio_net"

# network_args PORT: adds to QEMU_MACHINE a network card whose network is this QEMU alone, with port 22 of dom0 at 127.0.0.1:PORT.
network_args() {
  QEMU_MACHINE+=(-netdev "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:$1-:22" -device virtio-net-pci,netdev=net0,romfile=)
}

unpack_ssh() {
  exec 9> "$RIG_HOME/lock"
  flock 9
  if [ ! -e "$SSH_ROOT/.complete" ]; then
    say "downloading and unpacking Debian's dropbear (once)"
    mkdir -p "$SSH_ROOT/packages"
    # shellcheck disable=SC2086
    (cd "$SSH_ROOT/packages" && apt-get download -qq $SSH_PACKAGES) || fail "apt-get download failed, see above; apt-get update may help"
    local deb
    for deb in "$SSH_ROOT"/packages/*.deb; do dpkg -x "$deb" "$SSH_ROOT"; done
    touch "$SSH_ROOT/.complete"
  fi
  flock -u 9
}

# start_ssh PORT: starts the server and writes $RUN/ssh-config, with which `ssh -F` reaches root@dom0.
start_ssh() {
  unpack_ssh
  rm -f "$RUN/ssh-key" "$RUN/ssh-key.pub"
  ssh-keygen -q -t ed25519 -N '' -C rig -f "$RUN/ssh-key"
  cp "$RUN/ssh-key.pub" "$RUN/share/ssh-key.pub"
  printf '%s\n' "Host *" "  HostName 127.0.0.1" "  Port $1" "  User root" "  IdentityFile $RUN/ssh-key" "  IdentitiesOnly yes" \
    "  UserKnownHostsFile $RUN/ssh-known-hosts" "  StrictHostKeyChecking accept-new" > "$RUN/ssh-config"
  local modules module files=''
  modules=$(echo "$ROOT"/lib/modules/*/kernel)
  for module in $NETWORK_MODULES; do files="$files $modules/$module.ko"; done
  TIMEOUT=120 exec_job env MODULES="$files" BUSYBOX="$ROOT/bin/busybox" SSH_ROOT="$SSH_ROOT" bash "$RIG_DIR/lib/dom0-ssh"
}
