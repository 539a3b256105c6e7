# From Debian's packages to what QEMU boots: Xen, dom0's kernel, dom0's initramfs, the mini guest. Nothing is installed: packages
# are downloaded with apt-get and unpacked below $RIG_HOME. Sourced.

PACKAGES="xen-hypervisor-4.17-amd64 xen-utils-4.17 xenstore-utils libxencall1 libxendevicemodel1 libxenevtchn1 libxenforeignmemory1
  libxengnttab1 libxenhypfs1 libxenmisc4.17 libxenstore4 libxentoolcore1 libxentoollog1 libyajl2 libxen-dev busybox-static"
# In the order that they are loaded in.
MODULES="xen/xen-privcmd xen/xen-evtchn xen/xenfs/xenfs xen/xen-gntdev xen/xen-gntalloc virtio/virtio_ring virtio/virtio
  virtio/virtio_pci_legacy_dev virtio/virtio_pci_modern_dev virtio/virtio_pci"
FILE_SYSTEMS="fs/netfs/netfs fs/fscache/fscache net/9p/9pnet net/9p/9pnet_virtio fs/9p/9p fs/overlayfs/overlay"
TOOLS="xl xenstored oxenstored xenconsoled xenconsole xen-init-dom0 libxl-save-helper xenpm xen-diag xen-mfndump xenctx"

ROOT=$RIG_HOME/root
IMAGES=$RIG_HOME/images
XEN_LIBS=$ROOT/usr/lib/x86_64-linux-gnu

# Says what this machine lacks, and how to get it; 1 when something is missing.
missing_tools() {
  local tool package lacking=
  for tool in qemu-system-x86_64:qemu-system-x86 xz:xz-utils ld:binutils dpkg:dpkg apt-get:apt flock:util-linux; do
    package=${tool#*:}
    command -v "${tool%:*}" > /dev/null || lacking="$lacking $package"
  done
  [ -z "$lacking" ] || { echo "missing:$lacking; on Debian 12: apt-get install --no-install-recommends$lacking"; return 1; }
}

prepare_images() {
  local lacking
  lacking=$(missing_tools) || fail "$lacking"
  mkdir -p "$RIG_HOME/packages" "$ROOT" "$IMAGES" "$RIG_HOME/run"
  # Two rigs that start at once prepare once.
  exec 9> "$RIG_HOME/lock"
  flock 9
  [ -e "$ROOT/.complete" ] || unpack_packages
  local kernel
  kernel=$(ls "$ROOT"/boot/vmlinuz-*-amd64 | head -1)
  [ -e "$IMAGES/xen" ] || { gunzip -c "$ROOT/boot/xen-4.17-amd64.gz" > "$IMAGES/xen.new" && mv "$IMAGES/xen.new" "$IMAGES/xen"; }
  [ -e "$IMAGES/vmlinux" ] || { elf_of_kernel "$kernel" > "$IMAGES/vmlinux.new" && mv "$IMAGES/vmlinux.new" "$IMAGES/vmlinux"; }
  [ "$IMAGES/mini" -nt "$RIG_DIR/mini/mini.S" ] || make_mini
  [ "$IMAGES/initramfs" -nt "$RIG_DIR/lib/dom0-init" ] && [ "$IMAGES/initramfs" -nt "$RIG_DIR/lib/images.sh" ] || make_initramfs "$kernel"
  flock -u 9
}

unpack_packages() {
  say "downloading and unpacking Debian's packages of Xen 4.17 (once)"
  local kernel deb
  kernel=$(apt-cache depends linux-image-amd64 2> /dev/null | awk '/Depends:/ { print $2; exit }')
  [ -n "$kernel" ] || fail "apt knows no package linux-image-amd64; run apt-get update first (Debian 12)"
  # shellcheck disable=SC2086
  (cd "$RIG_HOME/packages" && apt-get download -qq $PACKAGES "$kernel") || fail "apt-get download failed, see above; apt-get update may help"
  for deb in "$RIG_HOME"/packages/*.deb; do dpkg -x "$deb" "$ROOT"; done
  touch "$ROOT/.complete"
}

# The ELF inside a bzImage: booted directly it saves an xz decompression under emulation, half of dom0's boot.
elf_of_kernel() {
  number() { od -An -tu"$3" -j"$2" -N"$3" "$1" | tr -d ' '; }
  local setup_sectors offset length
  setup_sectors=$(number "$1" 497 1)
  offset=$(((setup_sectors + 1) * 512 + $(number "$1" 584 4)))
  length=$(number "$1" 588 4)
  xz -dc --single-stream < <(tail -c +$((offset + 1)) "$1" | head -c "$length")
}

make_mini() {
  as --64 -o "$IMAGES/mini.o" "$RIG_DIR/mini/mini.S"
  ld -n --no-warn-rwx-segments -T "$RIG_DIR/mini/mini.lds" -o "$IMAGES/mini" "$IMAGES/mini.o"
  strip "$IMAGES/mini"
}

make_initramfs() {
  say "making dom0's initramfs"
  local tree=$RIG_HOME/initramfs modules
  modules=$ROOT/lib/modules/${1##*vmlinuz-}/kernel
  rm -rf "$tree"
  mkdir -p "$tree"/{bin,proc,sys,dev,run,tmp,host,mnt,modules,xl,lib64,etc/xen,var/lib/xen,var/log/xen/console,var/lock} \
    "$tree"/usr/lib/xen-4.17/{bin,boot} "$tree"/usr/bin "$tree"/lib/x86_64-linux-gnu
  ln -s /run "$tree/var/run"
  cp "$ROOT/bin/busybox" "$tree/bin/"
  ln -s busybox "$tree/bin/sh"
  local tool module
  for tool in $TOOLS; do cp "$ROOT/usr/lib/xen-4.17/bin/$tool" "$tree/usr/lib/xen-4.17/bin/"; done
  ln -s bin/libxl-save-helper "$tree/usr/lib/xen-4.17/"
  cp "$ROOT/usr/bin/xenstore" "$tree/usr/bin/"
  for tool in chmod exists list ls read rm watch write; do ln "$tree/usr/bin/xenstore" "$tree/usr/bin/xenstore-$tool"; done
  cp -a "$XEN_LIBS"/lib{xen,xl,yajl}*.so.* "$tree/xl/"
  # What the tools need beyond Xen's own libraries comes from this machine.
  local needed
  needed=$(LD_LIBRARY_PATH=$XEN_LIBS ldd "$tree"/usr/lib/xen-4.17/bin/*)
  ! grep 'not found' <<< "$needed" || fail "Xen's tools need libraries that this machine lacks, see above; the rig is for Debian 12"
  awk '$3 ~ /^\// { print $3 }' <<< "$needed" | sort -u | grep -v "^$ROOT/" | xargs -I{} cp -Lu {} "$tree/lib/x86_64-linux-gnu/"
  cp -L /lib64/ld-linux-x86-64.so.2 "$tree/lib64/"
  for module in $MODULES; do cp "$modules/drivers/$module.ko" "$tree/modules/" && echo "${module##*/}"; done > "$tree/modules/list"
  for module in $FILE_SYSTEMS; do cp "$modules/$module.ko" "$tree/modules/" && echo "${module##*/}"; done >> "$tree/modules/list"
  install -m 755 "$RIG_DIR/lib/dom0-init" "$tree/init"
  (cd "$tree" && find . | "$ROOT/bin/busybox" cpio -o -H newc 2> /dev/null) > "$IMAGES/initramfs.new"
  mv "$IMAGES/initramfs.new" "$IMAGES/initramfs"
  rm -rf "$tree"
}
