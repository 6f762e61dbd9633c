/**
 * Put a text into the clipboard.
 *
 * Args: `select` marks the text on the page: browsers offer the clipboard to encrypted pages only, what is marked they copy everywhere.
 */
export async function toClipboard(text: string, select: () => void): Promise<void> {
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    select()
    document.execCommand('copy')
  }
}
