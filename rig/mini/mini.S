# A guest that does nothing: one ELF that boots as a PV and as a PVH domain and blocks for ever.

  .include "elfnote.inc"

  elfnote 6, .asciz "mini"                  # GUEST_OS
  elfnote 8, .asciz "generic"               # LOADER
  elfnote 5, .asciz "xen-3.0"               # XEN_VERSION
  elfnote 3, .quad 0xffffffff80000000       # VIRT_BASE
  elfnote 4, .quad 0                        # PADDR_OFFSET
  elfnote 1, .quad pv_entry                 # ENTRY
  elfnote 2, .quad hypercall_page           # HYPERCALL_PAGE
  elfnote 18, .long pvh_entry - 0xffffffff80000000 # PHYS32_ENTRY

  .set SCHED_OP, 29
  .set SCHEDOP_BLOCK, 1

  .section .text, "ax"
  .globl pv_entry
  .code64
pv_entry:
  mov $SCHED_OP, %eax
  mov $SCHEDOP_BLOCK, %edi
  xor %esi, %esi
  syscall
  jmp pv_entry

  .code32
pvh_entry:
  mov $SCHED_OP, %eax
  mov $SCHEDOP_BLOCK, %ebx
  xor %ecx, %ecx
  vmmcall
  jmp pvh_entry

  .balign 4096
hypercall_page:
  .fill 4096, 1, 0xcc
