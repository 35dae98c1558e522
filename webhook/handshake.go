package webhook

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// The headers of the handshake of the CloudEvents specification of webhooks, by which a sender asks whether a receiver expects it.
const (
	requestOrigin = "WebHook-Request-Origin"
	requestRate   = "WebHook-Request-Rate"
	allowedOrigin = "WebHook-Allowed-Origin"
	allowedRate   = "WebHook-Allowed-Rate"
)

// anybody stands for every origin, and for every rate.
const anybody = "*"

// methods are those that a receiver takes.
const methods = http.MethodOptions + ", " + http.MethodPost

// AllowOrigins names the senders that are told that they may send here, by the DNS name that they give themselves, such as
// "eventemitter.example.com"; "*" is everybody. By default nobody is. It keeps senders from flooding whoever does not expect them; it
// authenticates nobody, and messages are taken without it.
func AllowOrigins(origins ...string) ReceiverOption {
	return func(r *Receiver) { r.origins = append(r.origins, origins...) }
}

// allows says what a sender is told of who may send, "" when it may not.
func (r *Receiver) allows(origin string) string {
	switch {
	case slices.Contains(r.origins, anybody):
		return anybody
	case slices.ContainsFunc(r.origins, func(known string) bool { return strings.EqualFold(known, origin) }):
		return origin
	default:
		return ""
	}
}

// greet answers a sender that asks whether it may send here, at any rate.
func (r *Receiver) greet(w http.ResponseWriter, request *http.Request) {
	w.Header().Set("Allow", methods)
	origin, rate := request.Header.Get(requestOrigin), request.Header.Get(requestRate)
	if origin == "" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if n, err := strconv.ParseUint(rate, 10, 64); rate != "" && (err != nil || n == 0) {
		answer(w, problem{http.StatusBadRequest, malformed, fmt.Sprintf("%s is a number of requests per minute, not %q.", requestRate, rate)})
		return
	}
	allowed := r.allows(origin)
	if allowed == "" {
		answer(w, problem{http.StatusForbidden, unexpected, fmt.Sprintf("Messages of %q are not expected here. Whoever runs the service can allow the origin.", origin)})
		return
	}
	w.Header().Set(allowedOrigin, allowed)
	w.Header().Set(allowedRate, anybody)
	w.WriteHeader(http.StatusOK)
}
