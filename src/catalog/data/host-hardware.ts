/**
 * Providers that serve every model on one kind of accelerator of their own, by slug. Hosts of GPUs are not here: which
 * machine answers is nowhere documented per model, and what is not documented is no fact. Sources read 2026-11-21.
 */

export interface HostHardware {
  /** As an endpoint's `hardware`. */
  readonly hardware: string;
  readonly hardware_source: string;
}

const HOSTS: Readonly<Record<string, HostHardware>> = {
  groq: {
    hardware: "lpu",
    hardware_source: "https://huggingface.co/blog/inference-providers-groq (Groq's own words; read 2026-11-21)",
  },
  cerebras: {
    hardware: "wse-3",
    hardware_source: "https://docs.langchain.com/oss/javascript/integrations/chat/cerebras (read 2026-11-21)",
  },
  sambanova: {
    hardware: "rdu",
    hardware_source: "https://docs.sambanova.ai/docs/en/v1.1.1/sambastack/resources/glossary (read 2026-11-21)",
  },
};

/** What all endpoints of a provider run on; nothing where that is not known. */
export function hostHardware(provider: string): Partial<HostHardware> {
  return HOSTS[provider] ?? {};
}
