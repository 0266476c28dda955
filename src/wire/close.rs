//! The table of close codes, and why a session ends. The hundred tells the client what to do.

macro_rules! closes {
    ($($name:ident $number:literal $wire:literal $sentence:literal;)*) => {
        /// Why a session ends.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Close { $(#[doc = $sentence] $name,)* }

        impl Close {
            /// Every close code, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Returns the WebSocket close code.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self { $(Self::$name => $number,)* }
            }

            /// Returns the name in the `closing` frame.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $wire,)* }
            }
        }
    };
}

closes! {
    Normal              1000 "normal"               "The client said goodbye.";
    Protocol            1002 "protocol_error"       "The bytes are not WebSocket frames.";
    InvalidUtf8         1007 "invalid_utf8"         "A text frame is not UTF-8.";
    TooLarge            1009 "message_too_large"    "A frame or message is over the limit, or was never finished.";
    BadRequest          4000 "bad_request"          "Too many frames that are not understood.";
    Unauthorized        4001 "unauthorized"         "No valid token in time.";
    Banned              4003 "banned"               "The person is banned from the hub.";
    RoomClosed          4004 "room_closed"          "The room is closed.";
    UnsupportedProtocol 4006 "unsupported_protocol" "None of the offered subprotocols is spoken here.";
    Replaced            4009 "replaced"             "The session goes on over another socket.";
    ServerError         4100 "server_error"         "The hub failed.";
    Draining            4101 "draining"             "The hub is going down.";
    SlowConsumer        4102 "slow_consumer"        "The client reads too slowly.";
    HeartbeatTimeout    4108 "heartbeat_timeout"    "Nothing was heard for too long.";
    RateLimited         4129 "rate_limited"         "The client sends too much.";
    Rebalance           4200 "rebalance"            "Another node takes over.";
    ResumeNeeded        4201 "resume_needed"        "The session must be resumed.";
    TokenExpired        4301 "token_expired"        "The token has expired.";
}

impl Close {
    /// Tells whether the hub itself ended a line that was well: its person is to find his place when he is back.
    #[must_use]
    pub const fn hands_over(self) -> bool {
        matches!(self, Self::ServerError | Self::Draining | Self::SlowConsumer | Self::Rebalance | Self::ResumeNeeded)
    }

    /// Tells whether the client should come back by itself.
    #[must_use]
    pub const fn retry(self) -> bool {
        self.number() / 100 == 41 || self.number() / 100 == 42
    }
}
