#include "linear.h"

/* Eight numbers that a compiler keeps in registers. */
#define EACH(k) for (int k = 0; k < PANEL; k++)

/* Rows whose outputs stay in the cache while all panels go by. */
enum { ROW_BLOCK = 32, PANEL_BLOCK = 8 };

static void forward_4(const float *weights, const float *bias, size_t inputs, const float *const in[4],
                      float *const out[4])
{
    float a[PANEL], b[PANEL], c[PANEL], d[PANEL];
    EACH(k) a[k] = b[k] = c[k] = d[k] = bias[k];
    for (size_t j = 0; j < inputs; j++, weights += PANEL) {
        const float xa = in[0][j], xb = in[1][j], xc = in[2][j], xd = in[3][j];
        EACH(k) a[k] += xa * weights[k];
        EACH(k) b[k] += xb * weights[k];
        EACH(k) c[k] += xc * weights[k];
        EACH(k) d[k] += xd * weights[k];
    }
    EACH(k) out[0][k] = a[k];
    EACH(k) out[1][k] = b[k];
    EACH(k) out[2][k] = c[k];
    EACH(k) out[3][k] = d[k];
}

static void forward_1(const float *weights, const float *bias, size_t inputs, const float *in, float *out)
{
    float a[PANEL];
    EACH(k) a[k] = bias[k];
    for (size_t j = 0; j < inputs; j++, weights += PANEL)
        EACH(k) a[k] += in[j] * weights[k];
    EACH(k) out[k] = a[k];
}

void linear_forward(const struct linear *layer, size_t first_panel, size_t end_panel, struct row_list list,
                    const float *in, float *out, size_t stride)
{
    const size_t inputs = layer->inputs;
    for (size_t block = 0; block < list.count; block += ROW_BLOCK) {
        const size_t end = list.count - block < ROW_BLOCK ? list.count : block + ROW_BLOCK;
        for (size_t panel = first_panel; panel < end_panel; panel++) {
            const float *weights = layer->weights + panel * inputs * PANEL;
            const float *bias = layer->bias + panel * PANEL;
            float *place = out + (panel - first_panel) * PANEL;
            size_t i = block;
            for (; i + 4 <= end; i += 4) {
                const float *from[4];
                float *to[4];
                for (int n = 0; n < 4; n++) {
                    from[n] = in + list.rows[i + n] * inputs;
                    to[n] = place + list.rows[i + n] * stride;
                }
                forward_4(weights, bias, inputs, from, to);
            }
            for (; i < end; i++)
                forward_1(weights, bias, inputs, in + list.rows[i] * inputs, place + list.rows[i] * stride);
        }
    }
}

/* Rows are added one after the other: four at a time only save loads and stores. */
static void weights_grad_4(size_t inputs, const float *const in[4], const float *const out_grad[4], float *grad)
{
    float a[PANEL], b[PANEL], c[PANEL], d[PANEL];
    EACH(k) a[k] = out_grad[0][k];
    EACH(k) b[k] = out_grad[1][k];
    EACH(k) c[k] = out_grad[2][k];
    EACH(k) d[k] = out_grad[3][k];
    for (size_t j = 0; j < inputs; j++, grad += PANEL) {
        const float xa = in[0][j], xb = in[1][j], xc = in[2][j], xd = in[3][j];
        float sum[PANEL];
        EACH(k) sum[k] = grad[k] + xa * a[k];
        EACH(k) sum[k] += xb * b[k];
        EACH(k) sum[k] += xc * c[k];
        EACH(k) grad[k] = sum[k] + xd * d[k];
    }
}

static void weights_grad_1(size_t inputs, const float *in, const float *out_grad, float *grad)
{
    float a[PANEL];
    EACH(k) a[k] = out_grad[k];
    for (size_t j = 0; j < inputs; j++, grad += PANEL) {
        const float x = in[j];
        EACH(k) grad[k] += x * a[k];
    }
}

void linear_weights_grad(const struct linear *layer, size_t first_panel, size_t end_panel, struct row_list list,
                         const float *in, const float *out_grad, float *weights_grad, float *bias_grad)
{
    const size_t inputs = layer->inputs, outputs = layer->outputs;
    for (size_t block = first_panel; block < end_panel; block += PANEL_BLOCK) {
        const size_t end = end_panel - block < PANEL_BLOCK ? end_panel : block + PANEL_BLOCK;
        for (size_t i = 0; i < list.count;) {
            const size_t rows = list.count - i < 4 ? 1 : 4;
            for (size_t panel = block; panel < end; panel++) {
                const float *from[4], *by[4];
                float *bias = bias_grad + panel * PANEL, *grad = weights_grad + panel * inputs * PANEL;
                for (size_t n = 0; n < rows; n++) {
                    from[n] = in + list.rows[i + n] * inputs;
                    by[n] = out_grad + list.rows[i + n] * outputs + panel * PANEL;
                    EACH(k) bias[k] += by[n][k];
                }
                if (rows == 4)
                    weights_grad_4(inputs, from, by, grad);
                else
                    weights_grad_1(inputs, from[0], by[0], grad);
            }
            i += rows;
        }
    }
}

static float lanes_sum(const float lanes[PANEL])
{
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

/* Two inputs of two rows at a time; every sum runs over the panels in eight lanes. */
static void inputs_grad_2(const struct linear *layer, const float *grad_a, const float *grad_b, float *to_a, float *to_b)
{
    const size_t inputs = layer->inputs, panels = layer->outputs / PANEL;
    for (size_t j = 0; j < inputs; j += 2) {
        float a0[PANEL], a1[PANEL], b0[PANEL], b1[PANEL];
        EACH(k) a0[k] = a1[k] = b0[k] = b1[k] = 0.0f;
        const float *weights = layer->weights + j * PANEL;
        for (size_t panel = 0; panel < panels; panel++, weights += inputs * PANEL) {
            const float *by_a = grad_a + panel * PANEL, *by_b = grad_b + panel * PANEL;
            EACH(k) a0[k] += by_a[k] * weights[k];
            EACH(k) b0[k] += by_b[k] * weights[k];
            EACH(k) a1[k] += by_a[k] * weights[PANEL + k];
            EACH(k) b1[k] += by_b[k] * weights[PANEL + k];
        }
        to_a[j] = lanes_sum(a0);
        to_a[j + 1] = lanes_sum(a1);
        to_b[j] = lanes_sum(b0);
        to_b[j + 1] = lanes_sum(b1);
    }
}

void linear_inputs_grad(const struct linear *layer, struct row_list list, const float *out_grad, float *in_grad)
{
    const size_t inputs = layer->inputs, outputs = layer->outputs;
    for (size_t i = 0; i < list.count; i += 2) {
        /* An odd last row is computed twice, with the same bits. */
        const size_t a = list.rows[i], b = list.rows[i + 1 < list.count ? i + 1 : i];
        inputs_grad_2(layer, out_grad + a * outputs, out_grad + b * outputs, in_grad + a * inputs, in_grad + b * inputs);
    }
}
