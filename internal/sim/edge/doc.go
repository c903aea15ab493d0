// Package edge owns what all simulated endpoints have in common: a loopback
// listener that can refuse connections and return on the same port, faults that
// are switched on and off while it runs, and a bounded history of requests.
//
// It guarantees that Stop ends every connection, including those that a fault keeps
// hanging, and that a history never grows past its limit. Which request a fault
// hits is drawn from a seed, so the same requests in the same order get the same faults.
//
// It must never listen on anything but the loopback interface.
package edge
