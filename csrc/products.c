/* What is left to do around large matrix products: dot products of single pairs of rows, and the nearest of each row.
 *
 * dots(left, right, d, is_double, a, b, order, count, out): out[order[i]] is the dot product of row a[order[i]] of `left`
 * and row b[order[i]] of `right`, rows of d contiguous floats. The order is the caller's, who knows which rows fit the cache.
 *
 * squares(points, d, is_double, rows, columns, count, k, scale, out): the squared distance in float64 of each of `count` rows to
 * k columns of its own, times the square of `scale`.
 *
 * near(tile, rows, columns, down, across, row_names, column_names, first_row, first_column, k, row_lists, column_lists):
 * a tile of products p of some rows with some columns, of which the squared distances are down + across - 2 p. Each row
 * keeps its k nearest columns of another name, and each column, where `column_lists` is not 0, its k nearest rows. Lists
 * hold k lengths in rising order and then k numbers, as float32 and int32; nothing is put in front of -infinity.
 *
 * All arrays are given by address; who owns the memory is the business of the Python side. The GIL is released meanwhile.
 */
#define Py_LIMITED_API 0x030A0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GLIBC__) && defined(__x86_64__) && defined(__GNUC__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif
#if defined(__GNUC__)
#define FETCH(address) __builtin_prefetch(address)
#else
#define FETCH(address) ((void)0)
#endif
#define LANES 32
#define AHEAD 32
#define STRETCH 64

#define DOTS(T)                                                                                                         \
WIDE static T T##_dot(const T *restrict x, const T *restrict y, int64_t d) {                                            \
    T sums[LANES], total = 0;                                                                                           \
    int64_t i = 0;                                                                                                      \
    for (int l = 0; l < LANES; l++) sums[l] = 0;                                                                        \
    for (; i + LANES <= d; i += LANES) for (int l = 0; l < LANES; l++) sums[l] += x[i + l]*y[i + l];                    \
    for (int w = LANES/2; w; w /= 2) for (int l = 0; l < w; l++) sums[l] += sums[l + w];                                \
    for (; i < d; i++) total += x[i]*y[i];                                                                              \
    return total + sums[0];                                                                                             \
}                                                                                                                       \
                                                                                                                        \
WIDE static double T##_square(const T *restrict x, const T *restrict y, int64_t d, double scale) {                      \
    double sums[LANES], total = 0;                                                                                      \
    int64_t i = 0;                                                                                                      \
    for (int l = 0; l < LANES; l++) sums[l] = 0;                                                                        \
    for (; i + LANES <= d; i += LANES) for (int l = 0; l < LANES; l++) {                                                \
        double gap = ((double)x[i + l] - (double)y[i + l])*scale;                                                       \
        sums[l] += gap*gap;                                                                                             \
    }                                                                                                                   \
    for (int w = LANES/2; w; w /= 2) for (int l = 0; l < w; l++) sums[l] += sums[l + w];                                \
    for (; i < d; i++) total += ((double)x[i] - (double)y[i])*scale*(((double)x[i] - (double)y[i])*scale);              \
    return total + sums[0];                                                                                             \
}                                                                                                                       \
                                                                                                                        \
static void T##_squares(const T *points, int64_t d, const int64_t *rows, const int64_t *columns, int64_t count,         \
                        int64_t k, double scale, double *out) {                                                         \
    for (int64_t i = 0; i < count*k; i++) {                                                                             \
        const T *soon = points + columns[i + 1 < count*k ? i + 1 : i]*d;                                                \
        for (int64_t j = 0; j < d; j += 64/sizeof(T)) FETCH(soon + j);                                                  \
        out[i] = T##_square(points + rows[i/k]*d, points + columns[i]*d, d, scale);                                     \
    }                                                                                                                   \
}                                                                                                                       \
                                                                                                                        \
static void T##_dots(const T *left, const T *right, int64_t d, const int64_t *a, const int64_t *b, const int64_t *order, \
                     int64_t count, T *out) {                                                                           \
    for (int64_t i = 0; i < count; i++) {                                                                               \
        int64_t here = order[i], soon = order[i + AHEAD < count ? i + AHEAD : i], next = order[i + 1 < count ? i + 1 : i]; \
        FETCH(a + soon); FETCH(b + soon); FETCH(out + soon);                                                            \
        for (int64_t j = 0; j < d; j += 64/sizeof(T)) FETCH(right + b[next]*d + j);                                     \
        out[here] = T##_dot(left + a[here]*d, right + b[here]*d, d);                                                    \
    }                                                                                                                   \
}

DOTS(float)
DOTS(double)

static PyObject *dots(PyObject *self, PyObject *args) {
    unsigned long long left, right, a, b, order, out;
    Py_ssize_t d, count;
    int is_double;
    if (!PyArg_ParseTuple(args, "KKnpKKKnK", &left, &right, &d, &is_double, &a, &b, &order, &count, &out)) return NULL;
    const int64_t *rows = (const int64_t *)(uintptr_t)a, *others = (const int64_t *)(uintptr_t)b;
    const int64_t *places = (const int64_t *)(uintptr_t)order;
    Py_BEGIN_ALLOW_THREADS
    if (is_double) double_dots((double *)(uintptr_t)left, (double *)(uintptr_t)right, d, rows, others, places, count, (double *)(uintptr_t)out);
    else float_dots((float *)(uintptr_t)left, (float *)(uintptr_t)right, d, rows, others, places, count, (float *)(uintptr_t)out);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyObject *squares(PyObject *self, PyObject *args) {
    unsigned long long points, a, b, out;
    Py_ssize_t d, count, k;
    int is_double;
    double scale;
    if (!PyArg_ParseTuple(args, "KnpKKnndK", &points, &d, &is_double, &a, &b, &count, &k, &scale, &out)) return NULL;
    const int64_t *rows = (const int64_t *)(uintptr_t)a, *columns = (const int64_t *)(uintptr_t)b;
    double *to = (double *)(uintptr_t)out;
    Py_BEGIN_ALLOW_THREADS
    if (is_double) double_squares((double *)(uintptr_t)points, d, rows, columns, count, k, scale, to);
    else float_squares((float *)(uintptr_t)points, d, rows, columns, count, k, scale, to);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* A row's k nearest: lengths in rising order, then their numbers */
static float worst(const float *list, int64_t k) { return list[k - 1]; }

static void insert(float *list, int64_t k, float length, int32_t number) {
    int32_t *numbers = (int32_t *)(list + k);
    int64_t at = k - 1;
    for (; at > 0 && list[at - 1] > length; at--) { list[at] = list[at - 1]; numbers[at] = numbers[at - 1]; }
    list[at] = length;
    numbers[at] = number;
}

/* Whether anything in a stretch belongs into the row's list or into a column's: one pass, no branch */
WIDE static int any_nearer(const float *restrict p, const float *restrict across, const int32_t *restrict names,
                           const float *restrict limits, float down, int32_t name, float limit) {
    int found = 0;
    for (int l = 0; l < STRETCH; l++) {
        float most = limits[l] > limit ? limits[l] : limit, square = down + across[l] - 2*p[l];
        found |= (square < most) & (names[l] != name);
    }
    return found;
}

typedef struct {
    const float *down, *across;
    const int32_t *row_names, *column_names;
    int64_t rows, columns, first_row, first_column, k;
    float *row_lists, *column_lists, *limits;
} tiles;

static void near_row(const tiles *t, const float *p, int64_t i) {
    float *list = t->row_lists + 2*t->k*i, down = t->down[i];
    int32_t name = t->row_names[i];
    for (int64_t start = 0; start < t->columns; start += STRETCH) {
        int64_t end = start + STRETCH < t->columns ? start + STRETCH : t->columns;
        if (end - start == STRETCH && !any_nearer(p + start, t->across + start, t->column_names + start, t->limits + start,
                                                  down, name, worst(list, t->k))) continue;
        for (int64_t j = start; j < end; j++) {
            float square = down + t->across[j] - 2*p[j];
            if (t->column_names[j] == name) continue;
            if (square < worst(list, t->k)) insert(list, t->k, square, (int32_t)(t->first_column + j));
            if (square < t->limits[j]) {
                float *other = t->column_lists + 2*t->k*j;
                insert(other, t->k, square, (int32_t)(t->first_row + i));
                t->limits[j] = worst(other, t->k);
            }
        }
    }
}

static PyObject *near_tile(PyObject *self, PyObject *args) {
    unsigned long long tile, down, across, row_names, column_names, row_lists, column_lists;
    Py_ssize_t rows, columns, first_row, first_column, k;
    if (!PyArg_ParseTuple(args, "KnnKKKKnnnKK", &tile, &rows, &columns, &down, &across, &row_names, &column_names, &first_row,
                          &first_column, &k, &row_lists, &column_lists)) return NULL;
    float *limits = malloc((columns ? columns : 1)*sizeof(float));
    if (!limits) return PyErr_NoMemory();
    tiles t = {(float *)(uintptr_t)down, (float *)(uintptr_t)across, (int32_t *)(uintptr_t)row_names, (int32_t *)(uintptr_t)column_names,
               rows, columns, first_row, first_column, k, (float *)(uintptr_t)row_lists, (float *)(uintptr_t)column_lists, limits};
    Py_BEGIN_ALLOW_THREADS
    for (int64_t j = 0; j < columns; j++) limits[j] = column_lists ? worst(t.column_lists + 2*k*j, k) : -INFINITY;
    for (int64_t i = 0; i < rows; i++) near_row(&t, (const float *)(uintptr_t)tile + i*columns, i);
    Py_END_ALLOW_THREADS
    free(limits);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"dots", dots, METH_VARARGS, "dots(left, right, d, is_double, a, b, order, count, out): dot products of pairs of rows"},
    {"squares", squares, METH_VARARGS, "squares(points, d, is_double, rows, columns, count, k, scale, out): squared distances"},
    {"near", near_tile, METH_VARARGS, "near(tile, rows, columns, down, across, row_names, column_names, first_row, first_column, k, "
                                      "row_lists, column_lists): the nearest of each row, and of each column"},
    {NULL, NULL, 0, NULL},
};
static PyModuleDef_Slot slots[] = {{0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "products", "Rows of matrices and their products", 0, methods, slots, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_products(void) { return PyModuleDef_Init(&module); }
