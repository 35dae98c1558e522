// Package shop is an event-sourced shop: orders, credit notes, adjustments and stock write-offs as commands and events, and read
// models by country, day, product, customer and in total, on one store.
//
// Read orders.go for a decision with a life after it, documents.go for those without, readmodels.go for the folds, and service.go
// for how it is put together.
package shop
