import { StatsSampler } from './stats-sampler';
import { StatsService } from './stats.service';
import { TopService } from './top.service';

export const STATS_PROVIDERS = [StatsSampler, StatsService, TopService];
