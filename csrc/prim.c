/* Prim's algorithm on dense distance matrices, with the edges ordered by (distance, u, v), u < v.
 *
 * pairs(address, matrices, n, is_double, out): the spanning trees of `matrices` contiguous n x n matrices at `address`,
 * as int64 (n-1, 2) each, in filtration order, written to `out`. regular(address, matrices, n, is_double): whether they
 * are finite and symmetric. Neither looks at who owns the memory; the Python side does. Both release the GIL.
 *
 * One pass over a row of the matrix updates each vertex's best edge into the tree and finds the shortest of them. A
 * vertex in the tree has the best length NaN: no comparison is true for it. The parent of a vertex is kept as a float
 * of the matrix' own width, so that the pass is one stream of equally wide lanes and any compiler vectorises it.
 */
#define Py_LIMITED_API 0x030A0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GLIBC__) && defined(__x86_64__) && defined(__GNUC__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif
#define LANES 16
#define TILE 32

#define FOR_TYPE(T, LARGEST, ABS, NAME)                                                                                  \
                                                                                                                         \
typedef struct { T length; int64_t u, v; } NAME##_edge;                                                                  \
                                                                                                                         \
static int NAME##_order(const void *left, const void *right) {                                                           \
    const NAME##_edge *a = left, *b = right;                                                                             \
    if (a->length != b->length) return a->length < b->length ? -1 : 1;                                                   \
    if (a->u != b->u) return a->u < b->u ? -1 : 1;                                                                       \
    return (a->v > b->v) - (a->v < b->v);                                                                                \
}                                                                                                                        \
                                                                                                                         \
/* Take the edges of vertex k into account; the shortest length left. Of equally long edges of one vertex the one to */  \
/* the lower parent comes first in the order (u, v). */                                                                  \
WIDE static T NAME##_relax(const T *restrict row, T *restrict best, T *restrict parent, T k, int64_t n) {                \
    T low[LANES], shortest = (T)INFINITY;                                                                                \
    int64_t j = 0;                                                                                                       \
    for (int l = 0; l < LANES; l++) low[l] = (T)INFINITY;                                                                \
    for (; j + LANES <= n; j += LANES) {                                                                                 \
        const T *restrict r = row + j;                                                                                   \
        T *restrict b = best + j, *restrict p = parent + j;                                                              \
        for (int l = 0; l < LANES; l++) {                                                                                \
            int nearer = (r[l] < b[l]) | ((r[l] == b[l]) & (k < p[l]));                                                  \
            p[l] = nearer ? k : p[l];                                                                                    \
            b[l] = nearer ? r[l] : b[l];                                                                                 \
            low[l] = b[l] < low[l] ? b[l] : low[l];                                                                      \
        }                                                                                                                \
    }                                                                                                                    \
    for (; j < n; j++) {                                                                                                 \
        int nearer = (row[j] < best[j]) | ((row[j] == best[j]) & (k < parent[j]));                                       \
        parent[j] = nearer ? k : parent[j];                                                                              \
        best[j] = nearer ? row[j] : best[j];                                                                             \
        shortest = best[j] < shortest ? best[j] : shortest;                                                              \
    }                                                                                                                    \
    for (int l = 0; l < LANES; l++) shortest = low[l] < shortest ? low[l] : shortest;                                    \
    return shortest;                                                                                                     \
}                                                                                                                        \
                                                                                                                         \
/* The vertex whose best edge has that length and comes first in the order (u, v) */                                     \
WIDE static int64_t NAME##_first(const T *restrict best, const T *restrict parent, T length, int64_t n) {                \
    int64_t found = -1, found_u = n, found_v = n;                                                                        \
    for (int64_t start = 0; start < n; start += 4*LANES) {                                                               \
        int64_t stop = start + 4*LANES < n ? start + 4*LANES : n;                                                        \
        int hit = 0;                                                                                                     \
        if (stop - start == 4*LANES) for (int l = 0; l < 4*LANES; l++) hit |= best[start + l] == length;                 \
        else hit = 1;                                                                                                    \
        if (!hit) continue;                                                                                              \
        for (int64_t j = start; j < stop; j++) if (best[j] == length) {                                                  \
            int64_t p = (int64_t)parent[j], u = p < j ? p : j, v = p < j ? j : p;                                        \
            if (u < found_u || (u == found_u && v < found_v)) { found = j; found_u = u; found_v = v; }                   \
        }                                                                                                                \
    }                                                                                                                    \
    return found;                                                                                                        \
}                                                                                                                        \
                                                                                                                         \
static int NAME##_pairs(const T *distances, int64_t n, int64_t *out) {                                                   \
    T *best = malloc(2*n*sizeof(T)), *parent = best + n;                                                                 \
    NAME##_edge *edges = malloc(n*sizeof(NAME##_edge));                                                                  \
    if (!best || !edges) { free(best); free(edges); return 0; }                                                          \
    for (int64_t j = 0; j < n; j++) { best[j] = (T)INFINITY; parent[j] = 0; }                                            \
    for (int64_t k = 0, i = 0; i < n - 1; i++) {                                                                         \
        best[k] = (T)NAN;                                                                                                \
        T length = NAME##_relax(distances + k*n, best, parent, (T)k, n);                                                 \
        k = NAME##_first(best, parent, length, n);                                                                       \
        int64_t p = (int64_t)parent[k];                                                                                  \
        edges[i] = (NAME##_edge){length, p < k ? p : k, p < k ? k : p};                                                  \
    }                                                                                                                    \
    qsort(edges, n - 1, sizeof(NAME##_edge), NAME##_order);                                                              \
    for (int64_t i = 0; i < n - 1; i++) { out[2*i] = edges[i].u; out[2*i + 1] = edges[i].v; }                            \
    free(best); free(edges);                                                                                             \
    return 1;                                                                                                            \
}                                                                                                                        \
                                                                                                                         \
/* Tile by tile, so that the mirror image of a tile is still in the cache */                                             \
WIDE static int NAME##_regular(const T *restrict distances, int64_t n) {                                                 \
    for (int64_t i = 0; i < n; i += TILE) for (int64_t j = 0; j <= i; j += TILE) {                                       \
        int64_t rows = n - i < TILE ? n - i : TILE, columns = n - j < TILE ? n - j : TILE;                               \
        T mirror[TILE][TILE];                                                                                            \
        for (int64_t b = 0; b < columns; b++) for (int64_t a = 0; a < rows; a++)                                         \
            mirror[a][b] = distances[(j + b)*n + i + a];                                                                 \
        int bad = 0;                                                                                                     \
        for (int64_t a = 0; a < rows; a++) {                                                                             \
            const T *restrict here = distances + (i + a)*n + j, *restrict there = mirror[a];                             \
            for (int64_t b = 0; b < columns; b++) bad |= (here[b] != there[b]) | !(ABS(here[b]) <= LARGEST);             \
        }                                                                                                                \
        if (bad) return 0;                                                                                               \
    }                                                                                                                    \
    return 1;                                                                                                            \
}

FOR_TYPE(float, FLT_MAX, fabsf, float)
FOR_TYPE(double, DBL_MAX, fabs, double)

static PyObject *pairs(PyObject *self, PyObject *args) {
    unsigned long long address, out;
    Py_ssize_t matrices, n;
    int is_double, done = 1;
    if (!PyArg_ParseTuple(args, "KnnpK", &address, &matrices, &n, &is_double, &out)) return NULL;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < matrices && n > 1 && done; i++) {
        int64_t *to = (int64_t *)(uintptr_t)out + i*2*(n - 1);
        done = is_double ? double_pairs((const double *)(uintptr_t)address + i*n*n, n, to)
                         : float_pairs((const float *)(uintptr_t)address + i*n*n, n, to);
    }
    Py_END_ALLOW_THREADS
    if (!done) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyObject *regular(PyObject *self, PyObject *args) {
    unsigned long long address;
    Py_ssize_t matrices, n;
    int is_double, good = 1;
    if (!PyArg_ParseTuple(args, "Knnp", &address, &matrices, &n, &is_double)) return NULL;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < matrices && good; i++)
        good = is_double ? double_regular((const double *)(uintptr_t)address + i*n*n, n)
                         : float_regular((const float *)(uintptr_t)address + i*n*n, n);
    Py_END_ALLOW_THREADS
    return PyBool_FromLong(good);
}

static PyMethodDef methods[] = {
    {"pairs", pairs, METH_VARARGS, "pairs(address, matrices, n, is_double, out): spanning trees, int64 (matrices, n-1, 2) at `out`"},
    {"regular", regular, METH_VARARGS, "regular(address, matrices, n, is_double): whether all matrices are finite and symmetric"},
    {NULL, NULL, 0, NULL},
};
static PyModuleDef_Slot slots[] = {{0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "prim", "Prim's algorithm on dense distance matrices", 0, methods, slots, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit_prim(void) { return PyModuleDef_Init(&module); }
