/* Counts what the nets of a flat netlist do, as a VPI module of Icarus Verilog.
 *
 * Nets n<number> of the top module are looked at once per cycle, at the falling edge of `clk`: a toggle is a difference
 * from the cycle before, whatever happened in between. Beside it the edges between two looks are counted. Nets c<number>
 * carry clocks: each of their edges is a toggle.
 *
 * A toggle to or from an unknown value does not count. An edge is one from 0 to 1 or back, also through an unknown value;
 * none counts after a look that saw an unknown one.
 *
 * The top module is that of cocotb. Cycles are counted apart by phase: the bench, which runs in this process, sets
 * $FUSIONCIM_PHASE to 0 (as it is when not set), 1, .. Written to the file $FUSIONCIM_TOGGLES: a line with the cycles of
 * every phase, then a line for every net with its number and for every phase toggles, high (the cycles in which it was
 * 1 when looked at) and edges.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vpi_user.h>

enum { UNKNOWN = 2, PHASES = 4 };

typedef struct {
  vpiHandle handle;
  uint32_t number;
  uint32_t toggles[PHASES];
  uint32_t high[PHASES];
  uint32_t edges[PHASES];
  uint32_t fresh; /* edges since the last look */
  uint32_t since; /* cycle of the last change, or the first of the phase */
  unsigned char value, now, known, touched, clock; /* when looked at; the last one; the last known one */
} net_t;

static net_t *nets;
static uint32_t count, cycle, cycles[PHASES];
static unsigned phase, phases = 1;
static net_t **touched;
static uint32_t touched_count;
static vpiHandle clock_handle;

static unsigned char value_of(vpiHandle handle) {
  s_vpi_value value = {.format = vpiScalarVal};
  vpi_get_value(handle, &value);
  return value.value.scalar == vpi1 ? 1 : value.value.scalar == vpi0 ? 0 : UNKNOWN;
}

static void take(net_t *net, unsigned char value) {
  if (value == net->value) return;
  if (net->value == 1) net->high[phase] += cycle - net->since;
  if (value != UNKNOWN && net->value != UNKNOWN) net->toggles[phase]++;
  net->value = value;
  net->since = cycle;
}

/* Books the cycles since the last change of every net to the phase that ends. */
static void end_phase(void) {
  for (uint32_t n = 0; n < count; n++) {
    if (nets[n].value == 1) nets[n].high[phase] += cycle - nets[n].since;
    nets[n].since = cycle;
  }
}

static PLI_INT32 changed(p_cb_data data) {
  net_t *net = (net_t *)data->user_data;
  unsigned char value = net->now = value_of(net->handle);
  if (net->clock) {
    take(net, value);
    return 0;
  }
  if (!net->touched) {
    net->touched = 1;
    touched[touched_count++] = net;
  }
  if (value == UNKNOWN) return 0;
  if (net->known != UNKNOWN && net->known != value) net->fresh++;
  net->known = value;
  return 0;
}

static PLI_INT32 look(p_cb_data data) {
  (void)data;
  const char *name = getenv("FUSIONCIM_PHASE");
  unsigned now = name ? (unsigned)atoi(name) : 0;
  if (now != phase && now < PHASES) {
    end_phase();
    phase = now;
    if (phases <= phase) phases = phase + 1;
  }
  for (uint32_t n = 0; n < touched_count; n++) {
    net_t *net = touched[n];
    if (net->value != UNKNOWN) net->edges[phase] += net->fresh;
    take(net, net->now);
    net->fresh = net->touched = 0;
  }
  touched_count = 0;
  cycle++;
  cycles[phase]++;
  return 0;
}

static PLI_INT32 clock_changed(p_cb_data data) {
  (void)data;
  if (value_of(clock_handle) == 0) {
    s_vpi_time now = {.type = vpiSimTime};
    s_cb_data callback = {.reason = cbReadOnlySynch, .cb_rtn = look, .time = &now};
    vpi_register_cb(&callback);
  }
  return 0;
}

static void on_change(vpiHandle handle, PLI_INT32 (*routine)(p_cb_data), void *data) {
  static s_vpi_time no_time = {.type = vpiSuppressTime};
  static s_vpi_value no_value = {.format = vpiSuppressVal};
  s_cb_data callback = {.reason = cbValueChange, .cb_rtn = routine, .obj = handle, .time = &no_time,
                        .value = &no_value, .user_data = data};
  vpi_register_cb(&callback);
}

static PLI_INT32 start(p_cb_data data) {
  (void)data;
  const char *name = getenv("COCOTB_TOPLEVEL");
  vpiHandle top = name ? vpi_handle_by_name((char *)name, NULL) : NULL, handle;
  uint32_t room = 1024;
  nets = malloc(room * sizeof *nets);
  vpiHandle iterator = top ? vpi_iterate(vpiNet, top) : NULL;
  while (iterator && (handle = vpi_scan(iterator))) {
    name = vpi_get_str(vpiName, handle);
    if (!strcmp(name, "clk")) clock_handle = handle;
    char *end;
    unsigned long number = strtoul(name + 1, &end, 10);
    if ((name[0] != 'n' && name[0] != 'c') || end == name + 1 || *end) continue;
    if (count == room) nets = realloc(nets, (room *= 2) * sizeof *nets);
    nets[count++] = (net_t){.handle = handle, .number = number, .clock = name[0] == 'c', .value = UNKNOWN,
                            .now = UNKNOWN, .known = UNKNOWN};
  }
  touched = malloc((count + 1) * sizeof *touched);
  if (!clock_handle) {
    vpi_printf("the netlist has no port clk\n");
    vpi_control(vpiFinish, 1);
    return 0;
  }
  for (uint32_t n = 0; n < count; n++) on_change(nets[n].handle, changed, &nets[n]);
  on_change(clock_handle, clock_changed, NULL);
  return 0;
}

static PLI_INT32 finish(p_cb_data data) {
  (void)data;
  const char *path = getenv("FUSIONCIM_TOGGLES");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (!file) {
    vpi_printf("FUSIONCIM_TOGGLES must name a file that can be written\n");
    return 0;
  }
  end_phase();
  for (unsigned k = 0; k < phases; k++) fprintf(file, k ? " %u" : "%u", cycles[k]);
  for (uint32_t n = 0; n < count; n++) {
    fprintf(file, "\n%u", nets[n].number);
    for (unsigned k = 0; k < phases; k++)
      fprintf(file, " %u %u %u", nets[n].toggles[k], nets[n].high[k], nets[n].edges[k]);
  }
  fprintf(file, "\n");
  fclose(file);
  return 0;
}

static void startup(void) {
  s_cb_data at_start = {.reason = cbStartOfSimulation, .cb_rtn = start};
  s_cb_data at_end = {.reason = cbEndOfSimulation, .cb_rtn = finish};
  vpi_register_cb(&at_start);
  vpi_register_cb(&at_end);
}

void (*vlog_startup_routines[])(void) = {startup, 0};
