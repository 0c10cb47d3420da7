//! What the bench runs on.

use crate::Outcome;
use std::net::IpAddr;

/// An IPv4 address of this machine that is not the loopback's, which Janus does not use. Packets
/// from it to itself stay in the machine all the same.
pub(crate) fn address() -> Outcome<IpAddr> {
    if_addrs::get_if_addrs()?
        .into_iter()
        .map(|interface| interface.ip())
        .find(|ip| ip.is_ipv4() && !ip.is_loopback())
        .ok_or_else(|| "no IPv4 address but loopback, and Janus needs one".into())
}

/// One line about processor and kernel.
pub(crate) fn description() -> Outcome<String> {
    let processors = std::fs::read_to_string("/proc/cpuinfo")?;
    let names: Vec<&str> = processors
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map(|(_, name)| name)
        .collect();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    Ok(format!(
        "{} x {}, Linux {}",
        names.len(),
        names.first().unwrap_or(&"unknown processor"),
        kernel.trim()
    ))
}
