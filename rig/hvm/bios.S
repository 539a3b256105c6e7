# A firmware of 64 KiB for tests of HVM guests: real mode only, no interrupts, no memory of its own, so that it runs where an
# emulated Xen cannot run SeaBIOS. It says on the serial port whether the first disk begins with a boot sector, then obeys letters:
#   s say it again   r reset   p power off   c crash (a triple fault)      any other letter comes back
# The power button (xl trigger NAME power) powers off too.

  .set COM1, 0x3f8
  .set COM1_STATUS, COM1 + 5
  .set IDE, 0x1f0
  .set KEYBOARD, 0x64
  .set PM1A_EVENT, 0xb000
  .set PM1A_CONTROL, 0xb004

  .code16
  .globl _start
_start:
start:
  cli
  cld
  mov $0xf000, %ax
  mov %ax, %ds
say_again:
  mov $greeting, %si
  mov $read_sector, %bp
  jmp print

# Sector 0 of the first disk by programmed I/O: its last two bytes are the signature.
read_sector:
  mov $IDE + 6, %dx
  mov $0xe0, %al
  out %al, %dx
  mov $IDE + 2, %dx
  mov $1, %al
  out %al, %dx
  xor %al, %al
  mov $IDE + 3, %dx
  out %al, %dx
  inc %dx
  out %al, %dx
  inc %dx
  out %al, %dx
  mov $IDE + 7, %dx
  mov $0x20, %al
  out %al, %dx
  mov $0xffff, %bx
1:
  dec %bx
  jz no_disk
  in %dx, %al
  test $0x80, %al               # busy
  jnz 1b
  test $0x08, %al               # data
  jz 1b
  mov $IDE, %dx
  mov $255, %cx
2:
  in %dx, %ax
  loop 2b
  in %dx, %ax
  cmp $0xaa55, %ax
  jne no_disk
  mov $disk, %si
  jmp 3f
no_disk:
  mov $without, %si
3:
  mov $listen, %bp
  jmp print

listen:
  xor %cx, %cx
1:
  loop 1b                       # a look is an exit to Xen: seldom is enough
  mov $PM1A_EVENT, %dx
  in %dx, %ax
  cmp $0xffff, %ax
  je 2f
  test $0x0100, %ax
  jnz power_off
2:
  mov $COM1_STATUS, %dx
  in %dx, %al
  test $1, %al
  jz listen
  mov $COM1, %dx
  in %dx, %al
  cmp $'s', %al
  je say_again
  cmp $'r', %al
  je reset
  cmp $'p', %al
  je power_off
  cmp $'c', %al
  je crash
  mov $COM1, %dx
  out %al, %dx
  jmp listen

reset:
  mov $0xfe, %al
  out %al, $KEYBOARD
  jmp halt

power_off:
  mov $PM1A_CONTROL, %dx
  mov $0x2000, %ax              # sleep, of type 0: S5 in hvmloader's tables
  out %ax, %dx
  jmp halt

crash:
  lidtl %cs:no_interrupts
  int3
halt:
  hlt
  jmp halt

# Prints what %si points to, and goes on at %bp.
print:
  lodsb
  test %al, %al
  jz 2f
  mov %al, %bl
  mov $COM1_STATUS, %dx
1:
  in %dx, %al
  test $0x20, %al
  jz 1b
  mov $COM1, %dx
  mov %bl, %al
  out %al, %dx
  jmp print
2:
  jmp *%bp

greeting:
  .asciz "firmware: up\r\n"
disk:
  .asciz "firmware: the disk has a boot sector\r\n"
without:
  .asciz "firmware: no disk\r\n"
no_interrupts:
  .word 0, 0, 0

  .org 0xfff0
  ljmp $0xf000, $start
  .org 0x10000
