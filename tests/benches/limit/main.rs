//! `make bench-limit`: what protecting and sending a packet costs on this machine at least.
//!
//! No server can be below it, and none reaches it: it reads no packet, looks nothing up and
//! rewrites nothing. One thread encrypts a packet for each of 100 receivers as SRTP does with
//! AEAD (RFC 7714), and sends it through the kernel to a socket of this machine. Only the
//! processor time of that is counted; emptying the receivers' sockets is not.

#![expect(clippy::print_stdout, reason = "a program whose output is its report")]

mod way;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use nix::time::{ClockId, clock_gettime};
use std::error::Error;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;
use way::Way;

/// What ends the bench.
type Outcome<T> = Result<T, Box<dyn Error>>;

const RECEIVERS: usize = 100;
/// A frame or two of a camera picture.
const PACKETS_IN_A_ROW: usize = 8;
/// What a full datagram of a browser has: header with three extensions, payload, tag.
const HEADER_BYTES: usize = 28;
const PAYLOAD_BYTES: usize = 1_156;
const TAG_BYTES: usize = 16;
const DATAGRAM_BYTES: usize = HEADER_BYTES + PAYLOAD_BYTES + TAG_BYTES;
const ROUNDS: usize = 101;

fn main() -> Outcome<()> {
    println!(
        "us of processor time for a datagram of {DATAGRAM_BYTES} bytes, median of {ROUNDS} rounds"
    );
    println!(
        "way                               AES-128-GCM  AES-256-GCM  AES-256-GCM, receivers take batches whole"
    );
    for way in Way::ALL {
        println!(
            "{way:32}  {:11.2}  {:11.2}  {:11.2}",
            cost_us(way, &AES_128_GCM, false)?,
            cost_us(way, &AES_256_GCM, false)?,
            cost_us(way, &AES_256_GCM, true)?,
        );
    }
    Ok(())
}

/// The median over the rounds.
fn cost_us(way: Way, algorithm: &'static Algorithm, glue: bool) -> Outcome<f64> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let receivers = way::receivers(RECEIVERS, glue)?;
    let key = LessSafeKey::new(UnboundKey::new(algorithm, &vec![7; algorithm.key_len()])?);
    let mut packets = vec![[0xA5; DATAGRAM_BYTES]; PACKETS_IN_A_ROW];
    let mut number: u64 = 0;
    let mut costs = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let mut spent = Duration::ZERO;
        for receiver in &receivers {
            let started = thread_time()?;
            for packet in &mut packets {
                number += 1;
                protect(&key, number, packet)?;
            }
            way.send(&socket, receiver.address(), &packets)?;
            spent += thread_time()?.saturating_sub(started);
            // At once, so that no receiver's buffer is ever full: a dropped packet is cheaper.
            receiver.empty()?;
        }
        costs.push(spent.as_secs_f64() * 1e6 / (RECEIVERS * PACKETS_IN_A_ROW) as f64);
    }
    costs.sort_by(f64::total_cmp);
    Ok(costs[ROUNDS / 2])
}

/// Encrypts payload and authenticates header in place. The nonce is made as in RFC 7714, section
/// 8.1: salt XOR (SSRC, count of wraps, sequence number).
fn protect(key: &LessSafeKey, number: u64, packet: &mut [u8; DATAGRAM_BYTES]) -> Outcome<()> {
    let mut nonce = [0x5C; 12];
    for (byte, salt) in number.to_be_bytes().iter().zip(&mut nonce[4..]) {
        *salt ^= byte;
    }
    let (header, rest) = packet.split_at_mut(HEADER_BYTES);
    let (payload, tag) = rest.split_at_mut(PAYLOAD_BYTES);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let made = key.seal_in_place_separate_tag(nonce, Aad::from(&*header), payload)?;
    tag.copy_from_slice(made.as_ref());
    Ok(())
}

fn thread_time() -> Outcome<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
