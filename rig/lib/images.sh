# From Debian's packages to what QEMU boots: Xen, dom0's kernel, dom0's initramfs, the mini guest. Nothing is installed: packages
# are downloaded with apt-get and unpacked below $RIG_HOME. Sourced.

PACKAGES="xen-hypervisor-$XEN-amd64 xen-utils-$XEN xenstore-utils libxencall1 libxendevicemodel1 libxenevtchn1 libxenforeignmemory1
  libxengnttab1 libxenhypfs1 libxenmisc$XEN libxenstore4 libxentoolcore1 libxentoollog1 libyajl2 libxen-dev"
# Another release than this machine's brings the libraries that its tools are built with.
FOREIGN_LIBRARIES="libc6 libgcc-s1 zlib1g liblzma5 libbz2-1.0 liblzo2-2 libzstd1 libuuid1 libtinfo6 libncurses6 libnl-3-200 libnl-route-3-200"
# The device model of HVM guests, and the libraries that it needs beyond those of QEMU here.
DEVICE_MODEL="qemu-system-xen qemu-system-data seabios ipxe-qemu libspice-server1 libgstreamer-plugins-base1.0-0
  libgstreamer1.0-0 liborc-0.4-0 libfdt1 libusb-1.0-0 libjpeg62-turbo libpixman-1-0"
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
  [ "$(cat "$ROOT/.complete" 2> /dev/null)" = "$(package_list)" ] || unpack_packages
  local kernel
  kernel=$(ls "$ROOT"/boot/vmlinuz-*-amd64 | head -1)
  [ -e "$IMAGES/xen" ] || { gunzip -c "$ROOT/boot/xen-$XEN-amd64.gz" > "$IMAGES/xen.new" && mv "$IMAGES/xen.new" "$IMAGES/xen"; }
  [ -e "$IMAGES/vmlinux" ] || { elf_of_kernel "$kernel" > "$IMAGES/vmlinux.new" && mv "$IMAGES/vmlinux.new" "$IMAGES/vmlinux"; }
  [ "$IMAGES/mini" -nt "$RIG_DIR/mini/mini.S" ] && [ "$IMAGES/mini" -nt "$RIG_DIR/lib/elfnote.inc" ] || make_mini
  [ "$IMAGES/bios" -nt "$RIG_DIR/hvm/bios.S" ] || make_bios
  [ "$IMAGES/initramfs" -nt "$RIG_DIR/lib/dom0-init" ] && [ "$IMAGES/initramfs" -nt "$RIG_DIR/lib/images.sh" ] || make_initramfs "$kernel"
  flock -u 9
}

package_list() {
  case $XEN in
    4.17) echo $PACKAGES $DEVICE_MODEL ;;
    *) echo $PACKAGES $FOREIGN_LIBRARIES ;;
  esac
}

# apt for the release of Debian that has this Xen: lists, cache and state of its own, from the mirror of this machine.
foreign_apt() {
  local apt=$RIG_HOME/apt command=$1
  shift
  mkdir -p "$apt"/state/lists/partial "$apt"/cache/archives/partial
  : > "$apt/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) $SUITE main" > "$apt/sources.list"
  "$command" -qq -o "Dir::State=$apt/state" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache" \
    -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=- -o APT::Sandbox::User= "$@"
}

mirror() {
  apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2> /dev/null | grep -m 1 '/debian/\?$' || echo http://deb.debian.org/debian
}

download_packages() {
  # shellcheck disable=SC2046
  case $XEN in
    4.17) apt-get download -qq $(package_list) busybox-static "$1" ;;
    *) foreign_apt apt-get update && foreign_apt apt-get download $(package_list) && apt-get download -qq busybox-static "$1" ;;
  esac
}

unpack_packages() {
  say "downloading and unpacking Debian's packages of Xen $XEN (once)"
  local kernel deb folder
  kernel=$(apt-cache depends linux-image-amd64 2> /dev/null | awk '/Depends:/ { print $2; exit }')
  [ -n "$kernel" ] || fail "apt knows no package linux-image-amd64; run apt-get update first (Debian 12)"
  (cd "$RIG_HOME/packages" && download_packages "$kernel") || fail "apt-get download failed, see above; apt-get update may help"
  # Releases differ in whether /lib is a link to /usr/lib.
  mkdir -p "$ROOT"/usr/{lib,bin,sbin,lib64}
  for folder in lib bin sbin lib64; do [ -e "$ROOT/$folder" ] || ln -s "usr/$folder" "$ROOT/$folder"; done
  for deb in "$RIG_HOME"/packages/*.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$ROOT"; done
  if [ "$XEN" != 4.17 ]; then
    # What dom0 lays over this machine's own files: Node there must find the C library that Xen's libraries need.
    rm -rf "$RIG_HOME/over"
    mkdir -p "$RIG_HOME/over"
    for deb in "$RIG_HOME"/packages/libc6_*.deb; do dpkg -x "$deb" "$RIG_HOME/over"; done
    rm -rf "$RIG_HOME/over/usr/share" "$RIG_HOME/over/usr/lib/x86_64-linux-gnu/gconv"
  fi
  package_list > "$ROOT/.complete"
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
  as --64 -I "$RIG_DIR/lib" -o "$IMAGES/mini.o" "$RIG_DIR/mini/mini.S"
  ld -n --no-warn-rwx-segments -T "$RIG_DIR/mini/mini.lds" -o "$IMAGES/mini" "$IMAGES/mini.o"
  strip "$IMAGES/mini"
}

# A firmware of HVM guests: 64 KiB, with the first instruction 16 bytes before the end.
make_bios() {
  as --32 -o "$IMAGES/bios.o" "$RIG_DIR/hvm/bios.S"
  ld -m elf_i386 -Ttext=0 --oformat binary -o "$IMAGES/bios" "$IMAGES/bios.o"
}

make_initramfs() {
  say "making dom0's initramfs"
  local tree=$RIG_HOME/initramfs modules
  modules=$ROOT/lib/modules/${1##*vmlinuz-}/kernel
  rm -rf "$tree"
  mkdir -p "$tree"/{bin,proc,sys,dev,run,tmp,host,mnt,modules,xl,lib64,etc/xen,var/lib/xen,var/log/xen/console,var/lock} \
    "$tree/usr/lib/xen-$XEN"/{bin,boot} "$tree"/usr/bin "$tree"/lib/x86_64-linux-gnu
  ln -s /run "$tree/var/run"
  cp "$ROOT/bin/busybox" "$tree/bin/"
  ln -s busybox "$tree/bin/sh"
  local tool module
  for tool in $TOOLS; do cp "$ROOT/usr/lib/xen-$XEN/bin/$tool" "$tree/usr/lib/xen-$XEN/bin/"; done
  ln -s bin/libxl-save-helper "$tree/usr/lib/xen-$XEN/"
  cp "$ROOT/usr/lib/xen-$XEN/boot/hvmloader" "$tree/usr/lib/xen-$XEN/boot/"
  cp "$ROOT/usr/bin/xenstore" "$tree/usr/bin/"
  for tool in chmod exists list ls read rm watch write; do ln "$tree/usr/bin/xenstore" "$tree/usr/bin/xenstore-$tool"; done
  cp -a "$XEN_LIBS"/lib{xen,xl,yajl}*.so.* "$tree/xl/"
  # What the tools need beyond Xen's own libraries comes from this machine, or from their own release.
  local needed loader=/lib64/ld-linux-x86-64.so.2 xens
  [ ! -e "$XEN_LIBS/libc.so.6" ] || loader=$XEN_LIBS/ld-linux-x86-64.so.2
  needed=$(for tool in "$tree/usr/lib/xen-$XEN/bin/"*; do "$loader" --library-path "$XEN_LIBS:/usr/lib/x86_64-linux-gnu" --list "$tool" 2>&1; done)
  ! grep 'not found' <<< "$needed" || fail "Xen's tools need libraries that this machine lacks, see above; the rig is for Debian 12"
  xens="^$XEN_LIBS/lib\(xen\|xl\|yajl\)"
  awk '$3 ~ /^\// { print $3 }' <<< "$needed" | sort -u | grep -v "$xens" | xargs -I{} cp -Lu {} "$tree/lib/x86_64-linux-gnu/"
  cp -L "$loader" "$tree/lib64/"
  for module in $MODULES; do cp "$modules/drivers/$module.ko" "$tree/modules/" && echo "${module##*/}"; done > "$tree/modules/list"
  for module in $FILE_SYSTEMS; do cp "$modules/$module.ko" "$tree/modules/" && echo "${module##*/}"; done >> "$tree/modules/list"
  install -m 755 "$RIG_DIR/lib/dom0-init" "$tree/init"
  (cd "$tree" && find . | "$ROOT/bin/busybox" cpio -o -H newc 2> /dev/null) > "$IMAGES/initramfs.new"
  mv "$IMAGES/initramfs.new" "$IMAGES/initramfs"
  rm -rf "$tree"
}
