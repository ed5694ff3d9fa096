//! All that listens on a socket
