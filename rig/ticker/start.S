# Where a ticker starts (ticker.c): its notes for the builder, and the way from either kind's first instruction to main.

  .include "elfnote.inc"

  .set VIRT_BASE, 0xffffffff80000000
  elfnote 6, .asciz "ticker"                # GUEST_OS
  elfnote 8, .asciz "generic"               # LOADER
  elfnote 5, .asciz "xen-3.0"               # XEN_VERSION
  elfnote 3, .quad VIRT_BASE
  elfnote 4, .quad 0                        # PADDR_OFFSET
  elfnote 1, .quad pv_entry                 # ENTRY
  elfnote 2, .quad hypercall_page           # HYPERCALL_PAGE, which nothing uses
  elfnote 18, .long pvh_entry - VIRT_BASE   # PHYS32_ENTRY

  .section .text, "ax"
# PV: in long mode, on page tables of the builder. rsi: the start info.
  .code64
  .globl pv_entry
pv_entry:
  mov $stack_end, %rsp
  mov %rsi, %rdi
  call ticker
  ud2

# PVH: 32 bits without paging. 4 GiB are mapped one to one, for the rings, and the first one at VIRT_BASE too.
  .code32
pvh_entry:
  cli
  mov %cr4, %eax
  or $0x20, %eax                # PAE
  mov %eax, %cr4
  mov $pml4 - VIRT_BASE, %eax
  mov %eax, %cr3
  mov $0xc0000080, %ecx         # EFER
  rdmsr
  or $0x100, %eax               # LME
  wrmsr
  mov %cr0, %eax
  or $0x80000000, %eax          # PG
  mov %eax, %cr0
  lgdt gdt_pointer - VIRT_BASE
  ljmp $8, $1f - VIRT_BASE
  .code64
1:
  mov $16, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  mov $stack_end, %rsp
  xor %edi, %edi
  mov $ticker, %rax
  call *%rax
  ud2

# long hypercall(long number, long a, long b, long c), of the kind that `is_pv` says.
  .globl hypercall
hypercall:
  mov %rdi, %rax
  mov %rsi, %rdi
  mov %rdx, %rsi
  mov %rcx, %rdx
  cmpb $0, is_pv(%rip)
  je 1f
  syscall
  ret
1:
  vmmcall
  ret

  .balign 4096
hypercall_page:
  .fill 4096, 1, 0xcc

  .section .data, "aw"
  .balign 8
gdt:
  .quad 0
  .quad 0x00af9b000000ffff      # code of 64 bits
  .quad 0x00cf93000000ffff      # data
gdt_pointer:
  .word . - gdt - 1
  .long gdt - VIRT_BASE

  .balign 4096
pml4:
  .quad pdpt_low - VIRT_BASE + 3
  .fill 510, 8, 0
  .quad pdpt_high - VIRT_BASE + 3
pdpt_low:
  .irp gib, 0, 1, 2, 3
  .quad directories + 4096 * \gib - VIRT_BASE + 3
  .endr
  .fill 508, 8, 0
pdpt_high:
  .fill 510, 8, 0
  .quad directories - VIRT_BASE + 3
  .quad 0
directories:                    # 2 MiB an entry
  .set page, 0
  .rept 2048
  .quad page + 0x83
  .set page, page + 0x200000
  .endr

  .section .bss, "aw", @nobits
  .balign 16
  .skip 16384
stack_end:

  .section .note.GNU-stack, "", @progbits
