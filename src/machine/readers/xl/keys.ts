// Names of settings in xl guest configs: those that xl knows, and those that affect placement but
// are not part of this model.
import { nearestWord } from '../../../base/nearest-word.js';

/** Settings of xl 4.13 to 4.21 (docs/man/xl.cfg.5, tools/xl/xl_parse.c). */
const KNOWN = new Set(
  `acpi acpi_firmware acpi_laptop_slate acpi_s3 acpi_s4 altp2m altp2m_count altp2mhvm apic arm_sci bios bios_path_override boot bootloader
  bootloader_args bootloader_restrict bootloader_user builder cap channel cmdline cpu_weight cpuid cpus cpus_soft device_model_args
  device_model_args_hvm device_model_args_pv device_model_override device_model_stubdomain_override device_model_stubdomain_seclabel
  device_model_user device_model_version device_tree disk display dm_restrict driver_domain dtdev e820_host extra extratime firmware
  firmware_override gfx_passthru gic_version hap hdtype hpet init_seclabel iomem ioports irqs kernel keymap latency llc_colors localtime
  max_event_channels max_grant_frames max_grant_version max_maptrack_frames maxmem maxvcpus mca_caps memory mmio_hole ms_vm_genid
  msr_relaxed name nestedhvm nographic nomigrate nr_spis nx on_crash on_poweroff on_reboot on_soft_reset on_watchdog oos opengl p9 pae
  passthrough pci pci_msitranslate pci_permissive pci_power_mgmt pci_seize period pool pvcalls pvshim pvshim_cmdline pvshim_extra
  pvshim_path ramdisk rdm rdm_mem_boundary root rtc_timeoffset sdl seclabel serial shadow_memory slice smbios smbios_firmware soundhw
  spice spice_clipboard_sharing spice_image_compression spice_streaming_video spiceagent_mouse spicedisable_ticketing spicehost
  spicepasswd spiceport spicetls_port spiceusbredirection spicevdagent stdvga stubdomain_cmdline stubdomain_kernel stubdomain_memory
  stubdomain_ramdisk sve tee timer_mode trap_unmapped_accesses tsc_mode type usb usbctrl usbdev usbdevice usbversion uuid vcpus vdispl
  vendor_device vfb vga videoram vif vif2 viridian virtio vkb vkb_device vmtrace_buf_kb vnc vncdisplay vnclisten vncpasswd vncunused
  vncviewer vnuma vpmu vpt_align vsnd vtpm vuart xauthority xen_platform_pci xend_suspend_evtchn_compat xenstore_feature_mask
  xenstore_quota`.split(/\s+/),
);

/** Settings outside the model, and the effect that is missed. */
const NOT_MODELLED: Readonly<Record<string, string>> = {
  shadow_memory: 'it changes the memory that the guest needs besides its own',
  hap: 'without hardware-assisted paging the guest needs more memory',
  videoram: 'it is part of the memory of an HVM guest',
  mmio_hole: "it changes which of the guest's memory lies above 4 GiB",
  llc_colors: "it restricts the guest's memory",
  stubdomain_memory: 'the stub domain needs memory of its own',
  device_model_stubdomain_override: 'the stub domain needs memory and a vCPU of its own',
  pci: 'the node of the device is ignored',
  rdm: "it changes the layout of the guest's memory",
  period: 'it is for the RTDS scheduler',
  extratime: 'it is for the RTDS scheduler',
  slice: 'no current scheduler supports it',
  latency: 'no current scheduler supports it',
};

/** Names from older tools that xl ignores, with the current form. */
const GONE: Readonly<Record<string, string>> = {
  pvh: 'write type = "pvh"; without it the guest is PV',
  cpu: 'write cpus = "..."',
  nodes: 'write cpus = "nodes:..."',
  memory_static_max: 'write maxmem',
  vcpu_avail: 'write vcpus and maxvcpus',
  numa: 'write vnuma, cpus or cpus_soft',
};

/** A sentence for each setting with less effect than its author may expect. */
export function keyNotes(names: readonly string[]): string[] {
  return names.flatMap((name) => {
    const reason = NOT_MODELLED[name];
    if (reason !== undefined) return [`${name}= is not part of the plan: ${reason}`];
    if (KNOWN.has(name)) return [];
    const gone = GONE[name];
    if (gone !== undefined) return [`${name}= is not a setting of xl, which ignores it; ${gone}`];
    const near = nearestWord(name, KNOWN);
    return [`${name}= is not a setting of xl, which ignores it${near === undefined ? '' : `; did you mean ${near}?`}`];
  });
}
