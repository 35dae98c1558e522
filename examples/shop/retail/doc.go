// Package retail reads a retailer's invoice lines, a CSV file, plain or compressed with gzip, as a stream of invoices.
//
// The file has one header line that names the columns InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice,
// CustomerID and Country, in any order and among others. A line holds one line of an invoice:
//
//   - InvoiceNo and StockCode are 1 to 64 bytes of printable text. Both are case-sensitive.
//   - Description is at most 1,024 bytes and may be empty.
//   - Quantity is a whole number.
//   - InvoiceDate is "2006-01-02 15:04:05", on the shop's own clock. It is kept as if that were UTC.
//   - UnitPrice is a decimal number with up to three decimals. It may be negative on an adjustment only.
//   - CustomerID is digits, with ".0" after them or not, or empty for a guest. The ".0" is dropped.
//   - Country is 1 to 64 bytes of printable text.
//
// # Invoices
//
// The lines of one invoice become one [Invoice], in file order. Its time is the earliest of its lines; customer and country
// are those of its first line, and a line that says otherwise is rejected. An invoice is complete when 100 lines have passed
// without one of its own, or at the end of the file. Invoices are delivered as they become complete, ordered by their last
// line. A number that comes back later than that is a second invoice of the same number.
//
// # Rejects
//
// A line that breaks a rule is handed to the function given with [OnReject], and reading goes on. Such a line still counts as
// one that passed, and as one of its invoice's own when its number can be read. Where quotes are broken, or the number of
// fields is wrong, one line is rejected and reading goes on with the next line of the file, also when the quotes spanned
// several. Empty lines are passed over.
//
// # Limits
//
// A record takes at most 64 KiB and an invoice 10,000 lines; what is over is rejected. Memory is bounded by the 100 invoices
// that can be open at once.
//
// # Counting
//
// Countries, products, customers and days with trade are counted over the lines of all invoices: orders, credit notes,
// adjustments and write-offs. A day with trade is the date of an invoice's time. A product is a stock code. Guests count for
// countries, products and days, not for customers. The net total is quantity × price over orders, credit notes and
// adjustments; a write-off has no price.
package retail
