package retail

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/carillon-go/carillon/examples/shop/money"
)

// Totals are what must come out of a retail file, counted by the definitions of the package.
type Totals struct {
	Orders, CreditNotes, Adjustments, WriteOffs int
	// Lines are those of the invoices, rejected ones left out.
	Lines int
	// RejectedLines are the lines of the file at which something must be rejected, in file order.
	RejectedLines                        []int
	Countries, Products, Customers, Days int
	Net                                  money.Amount
}

// Invoices is how many invoices of all kinds there are.
func (t Totals) Invoices() int { return t.Orders + t.CreditNotes + t.Adjustments + t.WriteOffs }

// GenerateOption sets up [Generate].
type GenerateOption interface{ applyGenerate(*generator) }

type generateOptionFunc func(*generator)

func (f generateOptionFunc) applyGenerate(g *generator) { f(g) }

// Dirty generates a file with a byte order mark, CRLF line ends, reordered and extra columns, newlines within descriptions,
// empty lines, and lines of every sort a [Reader] must reject. By default every line is good.
func Dirty() GenerateOption {
	return generateOptionFunc(func(g *generator) { g.dirty = true })
}

// Generate writes a plain retail file of that many invoices, and says what must come out of it. It has the shape of a real
// one: guests, products without description, quoted descriptions, prices of three decimals, invoices that span two minutes,
// invoices that come back after lines of others, and invoices of all kinds (adjustments from 20 invoices on). The same
// arguments write the same file.
func Generate(w io.Writer, invoices int, seed uint64, options ...GenerateOption) (Totals, error) {
	counter := &newlineCounter{target: w}
	g := &generator{
		counter: counter, out: csv.NewWriter(counter), random: rand.New(rand.NewPCG(seed, uint64(invoices))),
		invoices: invoices, now: time.Date(2010, 12, 1, 8, 26, 0, 0, time.UTC),
		countries: map[string]bool{}, products: map[string]bool{}, customers: map[string]bool{}, days: map[string]bool{},
	}
	for _, option := range options {
		option.applyGenerate(g)
	}
	g.catalogue = catalogue(g.random)
	g.header()
	for i := range invoices {
		g.invoice(i)
	}
	g.rows(g.held)
	g.out.Flush()
	g.totals.Countries, g.totals.Products = len(g.countries), len(g.products)
	g.totals.Customers, g.totals.Days = len(g.customers), len(g.days)
	return g.totals, g.out.Error()
}

type generator struct {
	counter   *newlineCounter
	out       *csv.Writer
	random    *rand.Rand
	invoices  int
	dirty     bool
	now       time.Time
	catalogue []item
	held      [][]string // rows of an invoice that comes back later
	bad       int        // bad rows so far

	totals                               Totals
	countries, products, customers, days map[string]bool
}

type item struct {
	code, description string
	price             int64
}

// sale is what the rows of one invoice have in common.
type sale struct {
	number, customer, country string
	kind                      Kind
	time                      time.Time
}

func (g *generator) header() {
	names := columnNames()
	if g.dirty {
		g.raw("\ufeff" + strings.Join(g.arrange(names[:], "Warehouse"), ",") + "\r\n")
		g.out.UseCRLF = true
		return
	}
	g.write(names[:])
}

// invoice writes the i-th invoice, and after a few of its rows those that were held back of the one before.
func (g *generator) invoice(i int) {
	s := g.sale(i)
	rows := make([][]string, 0, 32)
	for range g.lineCount(s.kind) {
		rows = append(rows, g.row(s))
	}
	g.count(s)
	if len(rows) > 1 && g.random.IntN(50) == 0 {
		later := s.time.Add(time.Minute).Format(time.DateTime)
		rows[g.random.IntN(2)*(len(rows)-1)][columnDate] = later
	}
	returning := g.held
	g.held = nil
	if i%400 == g.invoices/3%400 && len(rows) > 1 {
		g.held, rows = rows[len(rows)-1:], rows[:len(rows)-1]
	}
	few := min(len(rows), 3)
	g.rows(rows[:few])
	g.rows(returning)
	g.rows(rows[few:])
}

func (g *generator) sale(i int) sale {
	g.now = g.now.Add(time.Duration(1+g.random.IntN(12)) * time.Minute)
	if g.now.Hour() >= 18 {
		g.now = g.now.AddDate(0, 0, 1).Truncate(24 * time.Hour).Add(8 * time.Hour)
	}
	if g.now.Weekday() == time.Saturday {
		g.now = g.now.AddDate(0, 0, 1)
	}
	s := sale{number: strconv.Itoa(536365 + i), kind: Order, time: g.now, country: "United Kingdom"}
	draw := g.random.IntN(100)
	switch {
	case g.invoices >= 20 && i >= g.invoices/2 && i < g.invoices/2+3:
		s.kind, s.number = Adjustment, "A"+s.number
		return s
	case i == 2 || i > 3 && draw < 5:
		s.kind = WriteOff
		return s
	case i == 1 || i > 3 && draw < 20:
		s.kind, s.number = CreditNote, "C"+s.number
	}
	if g.random.IntN(4) > 0 {
		customer := g.random.IntN(500)
		s.customer = strconv.Itoa(12346+customer) + ".0"
		if abroad := []string{"Germany", "France", "EIRE", "Spain", "Netherlands", "Unspecified"}; customer%10 == 0 {
			s.country = abroad[customer/10%len(abroad)]
		}
	}
	return s
}

func (g *generator) lineCount(kind Kind) int {
	switch kind {
	case Order:
		return 1 + min(int(g.random.ExpFloat64()*25), 1200)
	case CreditNote:
		return 1 + min(int(g.random.ExpFloat64()*1.5), 100)
	default:
		return 1
	}
}

// row makes one good row, in the order of columnNames, and adds it to the totals.
func (g *generator) row(s sale) []string {
	product := g.catalogue[g.random.IntN(len(g.catalogue))]
	quantity := int64(1 + g.random.ExpFloat64()*8)
	switch s.kind {
	case CreditNote:
		quantity = -quantity
	case WriteOff:
		quantity, product.price = -quantity, 0
		product.description = []string{"", "damages", "?"}[g.random.IntN(3)]
	case Adjustment:
		quantity = 1
		product = item{code: "B", description: "Adjust bad debt", price: 11_062_060}
		if g.totals.Adjustments > 0 {
			product.price = -product.price
		}
	default:
		if g.random.IntN(200) == 0 {
			product.price = 0
		}
	}
	if g.dirty && g.random.IntN(20) == 0 {
		product.description += "\nSECOND LINE"
	}
	g.totals.Lines++
	g.totals.Net += money.Amount(quantity * product.price)
	g.products[product.code] = true
	return []string{
		s.number, product.code, product.description, strconv.FormatInt(quantity, 10), s.time.Format(time.DateTime),
		shortest(product.price), s.customer, s.country,
	}
}

func (g *generator) count(s sale) {
	switch s.kind {
	case Order:
		g.totals.Orders++
	case CreditNote:
		g.totals.CreditNotes++
	case Adjustment:
		g.totals.Adjustments++
	case WriteOff:
		g.totals.WriteOffs++
	}
	g.countries[s.country] = true
	g.days[s.time.Format(time.DateOnly)] = true
	if s.customer != "" {
		g.customers[s.customer] = true
	}
}

// rows writes good rows, and bad ones among them if the file is to be dirty.
func (g *generator) rows(rows [][]string) {
	for _, fields := range rows {
		if !g.dirty {
			g.write(fields)
			continue
		}
		g.write(g.arrange(fields, "7"))
		if g.random.IntN(10) == 0 {
			g.raw("\r\n")
		}
		if g.random.IntN(5) == 0 {
			g.badRow(fields)
		}
	}
}

// arrange puts fields in the order of a dirty file, with two columns that mean nothing.
func (g *generator) arrange(fields []string, extra string) []string {
	arranged := []string{extra}
	for i := len(fields) - 1; i >= 0; i-- {
		arranged = append(arranged, fields[i])
	}
	return append(arranged, extra+"s")
}

// write adds a row to the output. The first error sticks, and is looked at in the end.
func (g *generator) write(fields []string) { _ = g.out.Write(fields) }

// raw writes text as it is. The counter keeps its error, and gives it again to the writer behind it.
func (g *generator) raw(text string) {
	g.out.Flush()
	_, _ = io.WriteString(g.counter, text)
}

// catalogue makes products, two of which differ only in case.
func catalogue(random *rand.Rand) []item {
	colours := []string{"WHITE", "RED", "PINK", "BLUE", "IVORY", "SILVER"}
	things := []string{"HANGING HEART", "METAL LANTERN", "TEA TOWEL", "CAKE STAND", "LUNCH BAG", "ALARM CLOCK"}
	items := []item{
		{"85123A", "WHITE HANGING HEART T-LIGHT HOLDER", 2550},
		{"85123a", "WHITE HANGING HEART T-LIGHT HOLDER", 2550},
		{"82567", "AIRLINE LOUNGE,METAL SIGN", 2100},
		{"22041", `RECORD FRAME 7" SINGLE SIZE `, 2550},
		{"gift_0001_40", "Dotcomgiftshop Gift Voucher £40.00", 34040},
		{"BANK CHARGES", "Bank Charges", 15000},
		{"PADS", "PADS TO MATCH ALL CUSHIONS", 1},
		{"15056", "EDWARDIAN PARASOL, NATURAL", 5950},
	}
	for i := range 400 {
		code := strconv.Itoa(20000 + 7*i)
		if i%4 == 0 {
			code += string(rune('A' + i%26))
		}
		description := colours[random.IntN(len(colours))] + " " + things[random.IntN(len(things))]
		if i%5 == 0 {
			description += " "
		}
		price := int64(1+random.IntN(1200)) * 10
		if i%100 == 1 {
			price += 7
		}
		items = append(items, item{code: code, description: description, price: price})
	}
	return items
}

// shortest writes thousandths with one decimal at least, as the retailer does.
func shortest(thousandths int64) string {
	sign := ""
	if thousandths < 0 {
		sign, thousandths = "-", -thousandths
	}
	text := strings.TrimRight(fmt.Sprintf("%d.%03d", thousandths/1000, thousandths%1000), "0")
	if strings.HasSuffix(text, ".") {
		text += "0"
	}
	return sign + text
}

// newlineCounter counts the lines written, and keeps the first error.
type newlineCounter struct {
	target   io.Writer
	newlines int
	err      error
}

func (c *newlineCounter) Write(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	c.newlines += bytes.Count(p, []byte{'\n'})
	n, err := c.target.Write(p)
	c.err = err
	return n, err
}
