// Colours of the picture of a host. A VM has one colour wherever it shows.
import type { HostMap } from '../map/host-map.js';

export interface Paint {
  /** Fill of a domain by its position in the map's domains. */
  readonly fill: (domain: number) => string;
  /** For the legend. */
  readonly sample: string;
}

/** Hues a golden angle apart, in three shades, all light enough for dark text. */
export function vmPaint(map: HostMap): Paint {
  let next = 0;
  const order = map.domains.map(({ domid }) => (domid === 0 ? -1 : next++));
  const color = (index: number) => hex(Math.round((205 + index * 137.508) % 360), 0.62, [0.72, 0.8, 0.65][Math.floor(index / 12) % 3]!);
  return { fill: (domain) => (order[domain]! < 0 ? '#94a3b8' : color(order[domain]!)), sample: color(0) };
}

/** HSL as #rrggbb. */
function hex(hue: number, saturation: number, lightness: number): string {
  const reach = saturation * Math.min(lightness, 1 - lightness);
  const channel = (n: number) => {
    const k = (n + hue / 30) % 12;
    const value = lightness - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1));
    return Math.round(value * 255)
      .toString(16)
      .padStart(2, '0');
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
}

// Colours are written out twice instead of as variables, because many SVG viewers do not support
// CSS variables.
export const STYLE = `
.xnh{font-family:ui-sans-serif,system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;font-size:12px}
.xnh .page{fill:#f8fafc}.xnh text{fill:#0f172a}.xnh .head{font-size:22px;font-weight:700}.xnh .sub{font-size:13px;fill:#475569}
.xnh .small{font-size:11px;fill:#334155}.xnh .faint{font-size:10.5px;fill:#526073}.xnh .strong{font-weight:700}.xnh .mono{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:11px}
.xnh .title{font-size:14px;font-weight:700}.xnh .on{fill:#0f172a;font-size:11px}.xnh .on.far{font-weight:700}.xnh .plate{fill:#fff;fill-opacity:.82}
.xnh .card{fill:#fff;stroke:#cbd5e1}.xnh .vm{stroke:#fff;stroke-width:1}.xnh .free{fill:#eef2f7}.xnh .xen{fill:#475569}.xnh .dom0{fill:#94a3b8;stroke:#fff}.xnh .other{fill:#d6d3d1;stroke:#fff}
.xnh .frame{fill:none;stroke:#64748b}.xnh .claimed{fill:url(#xnh-claimed)}.xnh .dot{fill:#475569}
.xnh .remote{fill:url(#xnh-remote);stroke:#b91c1c;stroke-width:2}.xnh .remote.thin{stroke-width:1}.xnh .plate-free{fill:#eef2f7}.xnh .hatch{fill:#b91c1c;fill-opacity:.55}
.xnh .cpu{fill:#e2e8f0}.xnh .nopool{fill:none;stroke:#94a3b8}.xnh .offline{fill:url(#xnh-offline);stroke:#64748b;stroke-width:.8}.xnh .hatch-off{fill:#64748b}.xnh .core{fill:none;stroke:#94a3b8;stroke-width:.7}
.xnh .more{fill:#94a3b8}.xnh .line{stroke:#e2e8f0}.xnh .far-text{fill:#b91c1c;font-weight:700}
@media(prefers-color-scheme:dark){
.xnh .page{fill:#0b1120}.xnh text{fill:#e2e8f0}.xnh .sub{fill:#94a3b8}.xnh .small{fill:#cbd5e1}.xnh .faint{fill:#94a3b8}
.xnh .on{fill:#0f172a}.xnh .plate-free{fill:#1e293b}.xnh .card{fill:#131c2f;stroke:#334155}.xnh .vm{stroke:#131c2f}.xnh .free{fill:#1e293b}.xnh .xen{fill:#64748b}.xnh .dom0{fill:#94a3b8;stroke:#131c2f}.xnh .other{fill:#a8a29e;stroke:#131c2f}
.xnh .frame{stroke:#94a3b8}.xnh .dot{fill:#cbd5e1}.xnh .remote{stroke:#ef4444}.xnh .hatch{fill:#b91c1c;fill-opacity:.7}
.xnh .cpu{fill:#334155}.xnh .core{stroke:#64748b}.xnh .offline{stroke:#94a3b8}.xnh .hatch-off{fill:#94a3b8}.xnh .nopool{stroke:#64748b}
.xnh .line{stroke:#28354b}.xnh .far-text{fill:#fca5a5}
}`;
