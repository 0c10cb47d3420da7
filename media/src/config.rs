//! Limits of everything that a peer controls.

use std::time::Duration;

/// What one shard bears. Each has a default and the reason for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaLimits {
    /// Sessions of a shard. Default 1,000: one core forwards about 100,000 packets a second, which
    /// is 1,000 receivers of one picture. More sessions: worse latency for all of them.
    pub sessions: usize,
    /// SDP sections of a session. Default 128: 60 people with sound and picture, and what the
    /// client itself sends. The WebRTC stack walks the sections of a session, so that thousands
    /// would let one client take the shard.
    pub sections: usize,
    /// Bits a second of a sound track, as payload. Default 256,000: a voice has 32,000, music in
    /// stereo 128,000, and RED doubles it. What is more is dropped.
    pub sound_bps: u64,
    /// Bits a second of a picture in all its layers together, as payload. Default 5,000,000: a
    /// browser gives the three layers of a 720p camera 2,150,000. It is told to the sender in the
    /// answer (RFC 3890); what is more all the same is dropped, whole pictures until a key frame.
    pub picture_bps: u64,
    /// Datagrams a second from one address (IPv6: one /64). Default 50,000: 100 people behind one
    /// address at 500 each; a camera in three layers, a voice and feedback are about 350. A flood
    /// of so many is thrown away in a fraction of the thread's time.
    pub packets_per_second: u32,
    /// Bytes of an offer. Default 256 KiB: a browser writes 1 to 2 kB for a section.
    pub offer_bytes: usize,
    /// Bytes of a datagram. Default 1,500, an Ethernet frame: WebRTC stays below 1,200. The WebRTC
    /// stack takes no more than 2,000.
    pub datagram_bytes: usize,
    /// Addresses from which a session was reached and is still heard. Default 16: a phone that
    /// wanders between Wi-Fi and cellular has a few. The oldest is forgotten.
    pub addresses: usize,
    /// How long nothing may come from a client. Default 10 s: browsers send a consent check at
    /// least every 6 s (RFC 7675); a Wi-Fi hand-over takes up to 3 s.
    pub silence: Duration,
    /// How long a client may take from its offer until ICE and DTLS are up. Default 30 s: what
    /// browsers allow themselves.
    pub connect: Duration,
    /// What a line is taken to carry before it was measured, in bit/s. Default 600,000: a prison's
    /// line of 1 Mbit/s is not flooded in the first second; a better line is found by probes
    /// within the next.
    pub first_estimate_bps: u64,
    /// The least time between two key-frame requests for the same track. Default 500 ms: a key
    /// frame is five to ten times a delta frame, and 30 receivers who join must not ask 30 times.
    pub keyframe_interval: Duration,
    /// TCP connections of a shard. Default 4,000, four for each session: a browser opens one for
    /// each of our addresses, and an ICE restart opens them anew before the old ones are gone. Each
    /// is an open file and has 8 KiB to read into.
    pub tcp_connections: usize,
    /// TCP connections from one address (IPv6: one /64). Default 400: 100 people behind
    /// one address, four for each of them as above.
    pub tcp_connections_per_address: usize,
    /// Bytes that wait to be written to a TCP connection. Default 256 KiB: half a second at
    /// 4 Mbit/s. A packet for which there is no room is dropped.
    pub tcp_unsent_bytes: usize,
    /// How long a packet may wait to be written to a TCP connection. Default 500 ms: what waited
    /// longer comes too late to be played, and holds up what does not.
    pub tcp_unsent_age: Duration,
    /// How long a TCP connection may belong to no session: until its first STUN request, or after
    /// its session has ended. Default 10 s: a browser sends the request at once, and on the worst
    /// line TCP repeats it for so long.
    pub tcp_unproved: Duration,
    /// Outputs that may wait to be polled. Default 65,536; more means a driver that does not poll.
    pub outputs: usize,
    /// Commands that may wait for the shard's thread. Default 4,096.
    pub commands: usize,
    /// Events that may wait to be read. Default 8,192. When full, levels are dropped and the other
    /// events wait in order.
    pub events: usize,
    /// Recorded packets that may wait for the recorder. Default 16,384: 10 s of 10 people with
    /// sound and picture at about 150 packets a second each. When full, packets are dropped,
    /// counted and reported by [`Event::RecorderBehind`](crate::Event::RecorderBehind).
    pub recorded: usize,
}

impl Default for MediaLimits {
    fn default() -> Self {
        Self {
            sessions: 1_000,
            sections: 128,
            sound_bps: 256_000,
            picture_bps: 5_000_000,
            packets_per_second: 50_000,
            offer_bytes: 256 * 1024,
            datagram_bytes: 1_500,
            addresses: 16,
            silence: Duration::from_secs(10),
            connect: Duration::from_secs(30),
            first_estimate_bps: 600_000,
            keyframe_interval: Duration::from_millis(500),
            tcp_connections: 4_000,
            tcp_connections_per_address: 400,
            tcp_unsent_bytes: 256 * 1024,
            tcp_unsent_age: Duration::from_millis(500),
            tcp_unproved: Duration::from_secs(10),
            outputs: 65_536,
            commands: 4_096,
            events: 8_192,
            recorded: 16_384,
        }
    }
}
