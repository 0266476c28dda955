//! The result of a load, as a table for people and as JSON for programs.
use super::{args::LoadArgs, tally::Tally, usage::Usage};
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// What was measured.
pub struct Report {
    pub(super) args: LoadArgs,
    pub(super) seconds: f64,
    /// The hub before the first client, at the begin of the measurement, and at its end.
    pub(super) usage: [Usage; 3],
    /// The most resident memory that was seen in between.
    pub(super) peak_kb: u64,
    pub(super) tally: Tally,
}

/// The counts that a unit of work is charged to, the first that is there.
const UNITS: &[&str] =
    &["frames delivered", "messages delivered", "commands acked", "heartbeats acked", "pushes delivered", "clients resumed"];

impl Report {
    /// Returns how many errors there were.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.tally.errors.values().sum()
    }

    fn name(&self) -> String {
        self.args.scenario.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn cpu_ns(&self) -> u64 {
        let [_, begin, end] = self.usage;
        end.cpu_ns.saturating_sub(begin.cpu_ns)
    }

    /// Returns the unit of work, and what one cost the hub in nanoseconds.
    fn cost(&self) -> Option<(&'static str, f64)> {
        let unit = UNITS.iter().find(|unit| self.tally.count(unit) > 0)?;
        let cpu = self.cpu_ns().max(self.tally.count("writer ns"));
        (cpu > 0).then(|| (*unit, cpu as f64 / self.tally.count(unit) as f64))
    }

    /// Makes the table.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        // Writing to a text cannot fail.
        let _ = writeln!(out, "{}: {} sockets, {:.2} s", self.name(), self.args.sockets(), self.seconds);
        let _ = writeln!(out, "\n{:<24} {:>12} {:>12}", "", "count", "per second");
        for (what, n) in &self.tally.counts {
            let _ = writeln!(out, "{what:<24} {n:>12} {:>12.0}", *n as f64 / self.seconds);
        }
        let _ = writeln!(out, "\n{:<24} {:>12} {:>9} {:>9} {:>9} {:>9}", "latency, ms", "count", "p50", "p95", "p99", "max");
        for (what, latency) in &self.tally.latencies {
            let h = &latency.0;
            let ms = |micros: u64| micros as f64 / 1000.0;
            let [p50, p95, p99] = [0.5, 0.95, 0.99].map(|q| ms(h.value_at_quantile(q)));
            let _ = writeln!(out, "{what:<24} {:>12} {p50:>9.2} {p95:>9.2} {p99:>9.2} {:>9.2}", h.len(), ms(h.max()));
        }
        if !self.args.hub_pid.is_empty() {
            let [before, begin, end] = self.usage;
            let cores = self.cpu_ns() as f64 / 1e9 / self.seconds;
            let _ = writeln!(out, "\nhub: {:.2} s of processor time ({cores:.2} cores)", self.cpu_ns() as f64 / 1e9);
            let _ = writeln!(
                out,
                "hub: resident {} KB before, {} KB with all clients, {} KB at most, {} KB at the end; {:.2} KB per client",
                before.rss_kb,
                begin.rss_kb,
                self.peak_kb,
                end.rss_kb,
                self.kb_per_client()
            );
        }
        if let Some((unit, ns)) = self.cost() {
            let _ = writeln!(out, "cost: {:.2} µs of processor time per unit of \"{unit}\"", ns / 1000.0);
        }
        let _ = write!(out, "\nerrors: {}", self.errors());
        for (what, n) in &self.tally.errors {
            let _ = write!(out, "\n  {n} × {what}");
        }
        out
    }

    fn kb_per_client(&self) -> f64 {
        let [before, begin, _] = self.usage;
        begin.rss_kb.saturating_sub(before.rss_kb) as f64 / f64::from(self.args.sockets())
    }

    /// Makes the JSON: counts, latencies in microseconds, the hub's usage, errors.
    #[must_use]
    pub fn json(&self) -> String {
        let latencies = self.tally.latencies.iter().map(|(what, latency)| {
            let h = &latency.0;
            let at = |q| h.value_at_quantile(q);
            let line = json!({"count": h.len(), "p50": at(0.5), "p95": at(0.95), "p99": at(0.99), "max": h.max()});
            ((*what).to_owned(), line)
        });
        let latencies: Map<String, Value> = latencies.collect();
        let [before, begin, end] = self.usage;
        json!({
            "scenario": self.name(),
            "sockets": self.args.sockets(),
            "seconds": self.seconds,
            "counts": self.tally.counts,
            "latency_us": latencies,
            "hub": {
                "cpu_ns": self.cpu_ns(),
                "rss_kb_before": before.rss_kb,
                "rss_kb_with_clients": begin.rss_kb,
                "rss_kb_most": self.peak_kb,
                "rss_kb_end": end.rss_kb,
                "rss_kb_per_client": self.kb_per_client(),
            },
            "cost_ns": self.cost().map(|(_, ns)| ns),
            "cost_unit": self.cost().map(|(unit, _)| unit),
            "errors": self.tally.errors,
        })
        .to_string()
    }
}
