//! Every file below deploy/ against what the program, Helm, Kubernetes, systemd, Redis and Docker really take, so that none
//! can drift from them.

mod agreement;
mod chart;
mod composed;
mod images;
mod outside;
mod program;
mod units;
