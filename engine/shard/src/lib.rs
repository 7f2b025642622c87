//! Empty until its first subject lands.
