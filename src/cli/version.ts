// The version of this package. Box of the chart: none.
import manifest from '../../package.json' with { type: 'json' };

export const VERSION: string = manifest.version;
